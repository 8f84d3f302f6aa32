"""Pictures to send, good and bad, and the two ways of sending them."""

import base64
import io

import numpy as np
from PIL import Image

GREEN = (0, 200, 0)


def picture(size: tuple[int, int] = (64, 48), colour: tuple[int, int, int] = GREEN, form: str = "PNG") -> bytes:
    """A picture of one colour."""
    return encoded(Image.new("RGB", size, colour), form)


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    """A picture as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def noise(size: tuple[int, int] = (64, 48)) -> bytes:
    """A JPEG that does not compress to nothing, so that it can be cut short."""
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels), "JPEG")


def upload(content: bytes, name: str = "picture.jpg") -> dict[str, tuple[str, bytes, str]]:
    """The ``files`` of a multipart request."""
    return {"file": (name, content, "image/jpeg")}


def b64(content: bytes) -> str:
    """Base64, as JSON carries bytes."""
    return base64.b64encode(content).decode()


BAD = {
    "nothing at all": (b"", 422, "picture-empty"),
    "a PDF called a JPEG": (b"%PDF-1.7\n" + b"0" * 100, 415, "not-a-picture"),
    "half a JPEG": (noise()[: len(noise()) // 2], 422, "picture-truncated"),
    "half a PNG": (encoded(Image.effect_noise((64, 48), 50).convert("RGB"))[:2000], 422, "picture-truncated"),
    "thirty megapixels": (encoded(Image.new("1", (6000, 5000)), "PNG"), 413, "picture-too-large"),
}
"""What is wrong with it: its bytes, the status and the type of the problem that its sender gets."""
