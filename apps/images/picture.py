"""What has been uploaded: is it a picture, of which kind and size."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import ExifTags, Image

from models import pictures

CONTENT_TYPES: Mapping[str, str] = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # phones' JPEG with further pictures behind the first
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
}

TURNED_BY_A_QUARTER = frozenset({5, 6, 7, 8})
"""EXIF orientations whose upright picture is as wide as the stored one is high."""


@dataclass(frozen=True)
class Picture:
    """A picture that can be decoded to its end.

    Attributes:
        content_type: of its real format.
        size: width and height in pixels, upright.
    """

    content_type: str
    size: tuple[int, int]


def verify(content: bytes) -> Picture:
    """Decode a picture, as small as its format allows, and tell what it is.

    Raises:
        PictureError: it is none, is damaged, or has too many pixels.
    """
    pictures.decode(content, min_side=1)
    with Image.open(io.BytesIO(content)) as header:
        width, height = header.size
        turned = _orientation(header) in TURNED_BY_A_QUARTER
        return Picture(CONTENT_TYPES[header.format or ""], (height, width) if turned else (width, height))


def _orientation(header: Image.Image) -> int | None:
    try:
        return header.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # a broken EXIF block raises nearly anything, and the picture is good without it
        return None
