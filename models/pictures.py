"""Decoding what people upload: one way from bytes to RGB pixels, for every app that looks at pictures."""

import io
from contextlib import nullcontext
from threading import Lock
from typing import Literal

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_PIXELS = 25_000_000
"""Width times height at most: 75 MB as RGB. A phone's 24-megapixel picture passes."""

WEBP_SHARE = 2
"""libwebp holds a picture several times over, 16 bytes a pixel where others take 7: it gets this part of the pixels."""

LARGE = 4_000_000
"""Pixels from which pictures are decoded one at a time: 180 MB at most, however many threads decode."""

STRIP = 128
"""Rows that are made RGB at once."""

ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held (EXIF 2.32, 4.6.4 A)."""

_one_large = Lock()

Reason = Literal["empty", "not_a_picture", "truncated", "too_many_pixels"]
Pixels = npt.NDArray[np.uint8]


class PictureError(ValueError):
    """Bytes that cannot be used as a picture.

    Attributes:
        reason: which of the four it is, for machines; the message is for people.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


def decode(data: bytes, min_side: int | None = None, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode a JPEG, PNG, WebP, GIF (first frame) or BMP, upright and on white where it is transparent.

    Args:
        data: the file's bytes; its name and declared type play no part.
        min_side: when given, a JPEG may come back at half its size or less, as long as its shorter side keeps this
            many pixels: decoding and the resize that follows take half the time together.
        max_pixels: width times height allowed, checked in the header before anything is decoded; WebP may have half.

    Returns:
        Height, width, RGB.

    Raises:
        PictureError: the bytes are empty, no picture, cut short or damaged, or have too many pixels.
    """
    picture = _open(data)
    width, height = picture.size
    if picture.format == "WEBP":
        max_pixels //= WEBP_SHARE
    if width * height > max_pixels:
        raise PictureError(
            "too_many_pixels",
            f"The picture has {width} by {height} pixels, more than the {max_pixels:,} allowed. Send a smaller one.",
        )
    try:
        with _one_large if width * height > LARGE else nullcontext():
            pixels = _scaled_jpeg(data, min_side) if picture.format in {"JPEG", "MPO"} else None
            if pixels is None:
                pixels = _rgb(picture)
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
        # Pillow's decoders raise all of these for damaged data.
        raise PictureError("truncated", f"The {picture.format} is cut short or damaged: {error}.") from error
    return np.ascontiguousarray(_upright(pixels, _orientation(picture)))


def _open(data: bytes) -> Image.Image:
    """Read the header only."""
    if not data:
        raise PictureError("empty", "The file is empty: 0 bytes.")
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise PictureError("too_many_pixels", f"The picture is too large: {error}") from error
    except UnidentifiedImageError:
        raise PictureError("not_a_picture", f"The file is no picture. Send one of {', '.join(FORMATS)}.") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise PictureError("truncated", f"The picture's header is cut short or damaged: {error}.") from error


def _scaled_jpeg(data: bytes, min_side: int | None) -> Pixels | None:
    """Decode by libjpeg-turbo, or None for what it does not take: CMYK, and slips that Pillow forgives."""
    try:
        # From half size down: libjpeg-turbo's 5/8 to 7/8 take longer than the whole (docs/decisions/jpeg-decoding.md).
        return simplejpeg.decode_jpeg(data, "RGB", min_height=min_side or 0, min_width=min_side or 0, min_factor=2)
    except ValueError:
        return None


def _rgb(picture: Image.Image) -> Pixels:
    picture.load()
    if picture.mode.startswith("I"):
        # Pillow's own conversion cuts 16 bits off at 255 instead of scaling them.
        grey = (np.asarray(picture) >> 8).astype(np.uint8)
        return np.stack([grey] * 3, axis=-1)
    width, height = picture.size
    pixels, transparent = np.empty((height, width, 3), np.uint8), picture.has_transparency_data
    # In strips: the whole picture once more in each form on its way to RGB would be four times the memory.
    for top in range(0, height, STRIP):
        strip = picture.crop((0, top, width, min(top + STRIP, height)))
        if transparent:
            strip = strip.convert("RGBA")
            strip = Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip)
        pixels[top : top + STRIP] = np.asarray(strip.convert("RGB"))
    return pixels


def _orientation(picture: Image.Image) -> int:
    """1 to 8 as EXIF counts them; 1, upright, when the tag is missing or unreadable."""
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # A broken EXIF block raises nearly anything, and the pixels are good without it.
        return 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:  # noqa: PLR0911 - one return an orientation
    match orientation:
        case 2:
            return pixels[:, ::-1]
        case 3:
            return pixels[::-1, ::-1]
        case 4:
            return pixels[::-1]
        case 5:
            return pixels.transpose(1, 0, 2)
        case 6:
            return np.rot90(pixels, -1)
        case 7:
            return pixels[::-1, ::-1].transpose(1, 0, 2)
        case 8:
            return np.rot90(pixels)
        case _:
            return pixels
