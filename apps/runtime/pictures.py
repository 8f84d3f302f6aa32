"""Pictures in requests: out of whatever wraps them, and what is said about those that cannot be used."""

import base64
import binascii
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

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


ROWS = 32
"""Rows of a picture that its statistics are of: some tens of microseconds, where all would take a millisecond."""


def statistics(
    tensor: NDArray[np.float32 | np.uint8], scale: Sequence[float] = (1, 1, 1), offset: Sequence[float] = (0, 0, 0)
) -> dict[str, float]:
    """What a picture is like, by rows that are spread over it.

    Args:
        tensor: 3 x height x width, RGB.
        scale: times which, by channel,
        offset: and plus which, black is 0 and white 1.

    Returns:
        ``brightness`` and ``contrast``, mean and standard deviation of green, which is most of what the eye calls
        bright; ``sharpness``, the mean step from pixel to pixel by the contrast, which light does not change but blur
        and noise do; ``warmth``, by how much red exceeds blue. Black is 0 and white 1.
    """
    rows = tensor[:, :: max(1, tensor.shape[1] // ROWS)]
    red, blue = (float(rows[channel, :, ::4].mean()) * scale[channel] + offset[channel] for channel in (0, 2))
    green = rows[1].astype(np.float32)
    deviation = float(green.std())
    step = float(np.abs(green[:, 1:] - green[:, :-1]).mean()) if green.shape[1] > 1 else 0.0
    contrast = deviation * scale[1]
    return {
        "brightness": float(green.mean()) * scale[1] + offset[1],
        "contrast": contrast,
        "sharpness": step / deviation if contrast > 1e-3 else 0.0,
        "warmth": red - blue,
    }
