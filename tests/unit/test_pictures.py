"""Decoding uploads: every format comes out as upright RGB, and nothing that is no picture gets through."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from models.pictures import ORIENTATION, PictureError, decode


def scene(width: int = 64, height: int = 48) -> Image.Image:
    """Red grows to the right, green downwards; the top left corner is blue: no two orientations look alike."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    pixels[: height // 4, : width // 4, 2] = 255
    return Image.fromarray(pixels)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises pixels and has none."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + struct.pack(">I", 9) + b"IDAT"
    return b"\x89PNG\r\n\x1a\n" + chunks


def reason(data: bytes, **options: int) -> str:
    with pytest.raises(PictureError) as refusal:
        decode(data, **options)
    return refusal.value.reason


def close(found: np.ndarray, expected: Image.Image, tolerance: float) -> bool:
    """Mean difference of a channel, so that what JPEG loses at edges does not count."""
    wanted = np.asarray(expected.convert("RGB"), np.float32)
    return found.shape == wanted.shape and float(np.abs(found - wanted).mean()) <= tolerance


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_lossless_formats_come_out_exactly(kind: str) -> None:
    assert close(decode(encoded(scene(), kind)), scene(), 0)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_come_out_closely(kind: str) -> None:
    assert close(decode(encoded(scene(), kind, quality=95)), scene(), 4)


def test_the_result_is_contiguous_rgb_of_bytes() -> None:
    pixels = decode(encoded(scene(), "JPEG"))
    assert pixels.shape == (48, 64, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous


def test_a_gif_gives_its_first_frame() -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    assert close(decode(encoded(red, "GIF", save_all=True, append_images=[blue])), red, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_honoured(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(scene(), kind, exif=exif, **({} if kind == "PNG" else {"quality": 95}))
    assert close(decode(data), ImageOps.exif_transpose(Image.open(io.BytesIO(data))), 2)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_cost_the_picture() -> None:
    data = encoded(scene(), "JPEG", quality=95, exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert close(decode(data), scene(), 4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_grey_becomes_three_equal_channels(kind: str) -> None:
    pixels = decode(encoded(scene().convert("L"), kind))
    assert close(pixels, scene().convert("L"), 2)


def test_cmyk_becomes_rgb() -> None:
    data = encoded(scene().convert("CMYK"), "JPEG", quality=95)
    assert close(decode(data), scene(), 6)


def test_sixteen_bits_are_scaled_not_cut_off() -> None:
    grey = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    pixels = decode(encoded(Image.fromarray(grey), "PNG"))
    np.testing.assert_array_equal(pixels[..., 1], grey >> 8)


def test_a_palette_is_looked_up() -> None:
    red = Image.new("RGB", (8, 8), "red")
    assert close(decode(encoded(red.convert("P"), "PNG")), red, 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_shows_white(mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode)
    assert close(decode(encoded(clear, "PNG")), Image.new("RGB", (8, 8), "white"), 0)


@pytest.mark.parametrize(
    ("width", "height", "side", "reduced"),
    [(1280, 720, 256, (270, 480)), (720, 1280, 256, (480, 270)), (640, 480, 241, (480, 640))],
)
def test_a_reduced_jpeg_keeps_the_side_that_was_asked_for(
    width: int, height: int, side: int, reduced: tuple[int, int]
) -> None:
    assert decode(encoded(scene(width, height), "JPEG"), min_side=side).shape[:2] == reduced


def test_a_small_jpeg_is_not_enlarged() -> None:
    assert decode(encoded(scene(), "JPEG"), min_side=256).shape == (48, 64, 3)


def test_reduced_looks_like_resized() -> None:
    pixels = decode(encoded(scene(640, 480), "JPEG", quality=95), min_side=240)
    assert close(pixels, scene(640, 480).resize((320, 240), Image.Resampling.BOX), 3)


def test_no_bytes_are_called_empty() -> None:
    assert reason(b"") == "empty"


@pytest.mark.parametrize("data", [b"%PDF-1.7\n1 0 obj\n", b"<svg/>", b"hello", bytes(1000)])
def test_other_files_are_no_pictures_whatever_they_are_called(data: bytes) -> None:
    assert reason(data) == "not_a_picture"


def test_a_format_that_is_not_offered_is_not_opened() -> None:
    assert reason(encoded(scene(), "TIFF")) == "not_a_picture"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_half_a_picture_is_refused(kind: str) -> None:
    data = encoded(Image.effect_noise((200, 150), 80).convert("RGB"), kind)
    assert reason(data[: len(data) // 2]) == "truncated"


def test_thirty_megapixels_are_refused_from_the_header_alone() -> None:
    assert reason(png_header(6000, 5000)) == "too_many_pixels"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_that_pillow_refuses_itself_is_refused_alike() -> None:
    assert reason(png_header(60000, 60000)) == "too_many_pixels"


def test_the_limit_is_the_callers() -> None:
    assert reason(encoded(scene(), "PNG"), max_pixels=64 * 48 - 1) == "too_many_pixels"
    assert decode(encoded(scene(), "PNG"), max_pixels=64 * 48).shape == (48, 64, 3)


def test_the_message_names_size_and_limit() -> None:
    with pytest.raises(PictureError, match="6000 by 5000 pixels, more than the 25,000,000"):
        decode(png_header(6000, 5000))
