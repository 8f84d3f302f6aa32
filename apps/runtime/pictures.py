"""Pictures in requests: out of whatever wraps them, and what is said about those that cannot be used."""

import base64
import binascii
from collections.abc import Mapping

from apps.runtime.problems import Problem
from models.pictures import PictureError

PROBLEMS = {
    "empty": (422, "picture-empty"),
    "not_a_picture": (415, "not-a-picture"),
    "truncated": (422, "picture-truncated"),
    "too_many_pixels": (413, "picture-too-large"),
}
"""Status and slug for each reason of a ``PictureError``."""


def problem(error: PictureError) -> Problem:
    """What the sender of a picture is told."""
    status, slug = PROBLEMS[error.reason]
    return Problem(status, slug, str(error))


def content(value: object) -> bytes:
    """The bytes of a picture: a file's own, or base64 as ``"…"``, ``{"b64": "…"}`` or ``{"image": {"b64": "…"}}``.

    Raises:
        Problem: it is none of these.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, Mapping):
        return content(value.get("image", value.get("b64")))
    if not isinstance(value, str):
        raise Problem(422, "invalid-request", 'A picture is {"image": {"b64": "…"}}, {"b64": "…"} or a base64 string.')
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise Problem(422, "invalid-request", f"The picture is no base64: {error}.") from None
