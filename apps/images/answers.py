"""What the app tells about images and the objects found in them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["real", "dummy"]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Detection(BaseModel):
    """A circular object, in pixels from the upper left corner of the upright picture.

    Attributes:
        bbox: x and y of its upper left corner, width, height, as in COCO.
        centroid: x and y of the centre.
        radius: of the circle.
        confidence: 0 to 1.
    """

    model_config = ConfigDict(frozen=True)

    bbox: tuple[Number, Number, Number, Number]
    centroid: tuple[Number, Number]
    radius: float = Field(ge=0, allow_inf_nan=False)
    confidence: float = Field(ge=0, le=1)


class FoundObject(Detection):
    """A detection that has been stored.

    Attributes:
        id: its own id; a version 7 UUID, as the image's.
    """

    id: UUID


class Image(BaseModel):
    """A stored image.

    Attributes:
        id: a version 7 UUID: later images have greater ones.
        mode: ``dummy`` says that its objects are invented.
        content_type: of the format that the bytes really have, whatever the upload called them.
        bytes: length of the file.
        sha256: of the file, in hexadecimal.
        width: pixels of the upright picture.
        height: pixels, likewise.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    created_at: datetime
    mode: Mode
    content_type: str
    bytes: int
    sha256: str
    width: int
    height: int


class StoredImage(Image):
    """An image together with what was found in it, the surest first."""

    objects: list[FoundObject]


class Objects(BaseModel):
    """What was found in the image ``id``, the surest first."""

    id: UUID
    mode: Mode
    objects: list[FoundObject]


class Page(BaseModel):
    """Images, newest first.

    Attributes:
        next_cursor: ``cursor`` of the page after this one; none on the last.
    """

    images: list[Image]
    next_cursor: UUID | None
