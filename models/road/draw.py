"""Draws pictures of dry and of wet roads, from numbers alone; a seed, an index and a camera make one picture."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.road import LABELS
from models.road.camera import HELD_OUT, Camera, develop, pick
from models.road.ground import ground, smear, view
from models.road.scene import sky, stand, things, weather

HOLDOUT_SEED = 2_000_000_011
"""Of the pictures that measure, and of no others."""

HOLDOUT_COUNT = 300


@dataclass(frozen=True)
class Picture:
    """A road, and what it is.

    Attributes:
        label: an index into `LABELS`.
        jpeg: as the camera stores it.
    """

    label: int
    jpeg: bytes

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """Height, width, RGB."""
        return np.asarray(Image.open(io.BytesIO(self.jpeg)))


def draw(camera: Camera, seed: int, index: int) -> Picture:
    """Picture ``index`` of a seed: dry where it is even, wet where it is odd."""
    rng, label = np.random.default_rng((seed, index)), index % len(LABELS)
    height, width = camera.height, camera.width
    horizon = pick(rng, camera.horizon) * height
    around = weather(rng)
    standing = things(rng, around, height, width, horizon)
    above = sky(rng, around, height, width, horizon)
    seen = view(height, width, horizon, pick(rng, camera.focal) * width, pick(rng, camera.above_m))
    mirror = smear(rng, stand(above, standing, mirrored=True), horizon)
    surface = ground(rng, seen, around, mirror, wet=LABELS[label] == "wet")
    light = stand(np.where(seen.below[..., None], surface, above), standing)
    stored = io.BytesIO()
    Image.fromarray(develop(rng, light, camera)).save(stored, "JPEG", quality=round(pick(rng, camera.quality)))
    return Picture(label, stored.getvalue())


def holdout(count: int = HOLDOUT_COUNT) -> list[Picture]:
    """The held-out pictures, through a camera that no picture to learn from has."""
    return [draw(HELD_OUT, HOLDOUT_SEED, index) for index in range(count)]
