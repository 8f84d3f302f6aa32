"""What cameras make of light: two of them, so that a model is measured through another than it learned from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Light = NDArray[np.float32]
"""Linear light, (height, width, 3), 1 about that of a sunlit white wall."""

Range = tuple[float, float]
"""From, to; a picture has a value between."""


@dataclass(frozen=True)
class Camera:
    """How a camera is mounted, sees and develops.

    Attributes:
        height, width: of its pictures, pixels.
        horizon: where the horizon is, as a share of the height from above.
        focal: focal length, as a share of the width.
        above_m: how high over the road it is.
        brightness: mean of a picture, 0…1, which its exposure aims at, whatever it sees.
        contrast: exponent of its tone curve; less is harder.
        warmth: how much more red than blue it gives; 0 is neutral.
        saturation: of its colours; 1 is as seen.
        blur: of its lens, pixels.
        noise: standard deviation of its grain in mid grey, of 1.
        vignette: loss of light in the corners, of 1.
        quality: of its JPEGs.
    """

    height: int
    width: int
    horizon: Range
    focal: Range
    above_m: Range
    brightness: Range
    contrast: Range
    warmth: Range
    saturation: Range
    blur: Range
    noise: Range
    vignette: Range
    quality: Range


TRAINING = Camera(
    height=144,
    width=192,
    horizon=(0.28, 0.46),
    focal=(0.6, 1.1),
    above_m=(1.1, 2.6),
    brightness=(0.30, 0.55),
    contrast=(0.40, 0.52),
    warmth=(-0.15, 0.15),
    saturation=(0.5, 1.1),
    blur=(0.0, 1.0),
    noise=(0.004, 0.04),
    vignette=(0.0, 0.4),
    quality=(60, 95),
)
"""Cameras of many kinds, in cars and in lorries."""

HELD_OUT = Camera(
    height=180,
    width=240,
    horizon=(0.30, 0.42),
    focal=(0.62, 0.72),
    above_m=(2.1, 2.5),
    brightness=(0.34, 0.50),
    contrast=(0.44, 0.47),
    warmth=(0.10, 0.16),
    saturation=(0.8, 0.9),
    blur=(0.5, 1.1),
    noise=(0.025, 0.04),
    vignette=(0.3, 0.4),
    quality=(60, 75),
)
"""One in a lorry, with finer pictures: high, wide, warm, grainy and with vignette, all of it at once."""


def pick(rng: np.random.Generator, between: Range) -> float:
    """A value between the two."""
    return float(rng.uniform(*between))


def develop(rng: np.random.Generator, light: Light, camera: Camera) -> NDArray[np.uint8]:
    """The picture that a camera makes of light."""
    height, width = light.shape[:2]
    seen = soften(light, pick(rng, camera.blur))
    grey = seen.mean(axis=2, keepdims=True)
    seen = np.maximum(grey + (seen - grey) * np.float32(pick(rng, camera.saturation)), 0)
    warmth = pick(rng, camera.warmth)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    loss = 1 - np.float32(pick(rng, camera.vignette) / 2) * (x**2 + y**2)
    seen = seen * loss[..., None] * np.array([1 + warmth, 1, 1 - warmth], np.float32)
    shown = _exposed(seen, pick(rng, camera.brightness), pick(rng, camera.contrast))
    # Photons come at random: grain grows with the root of the light, and shows most in what is dark.
    grain = rng.standard_normal(shown.shape, np.float32) * np.float32(pick(rng, camera.noise)) * (1.3 - shown)
    return (np.clip(shown + grain, 0, 1) * 255 + 0.5).astype(np.uint8)


def _exposed(light: Light, brightness: float, contrast: float) -> Light:
    """Light through a film-like curve, exposed so that the mean is ``brightness``."""
    low, high, gain = 1e-3, 1e3, 1.0
    thumbnail = light[::3, ::3]
    for _ in range(18):
        gain = (low * high) ** 0.5
        if float(((1 - np.exp(-gain * thumbnail)) ** contrast).mean()) < brightness:
            low = gain
        else:
            high = gain
    return ((1 - np.exp(np.float32(-gain) * light)) ** np.float32(contrast)).astype(np.float32)


def soften(light: Light, sigma: float) -> Light:
    """A Gaussian blur of the first two axes, as far as pixels resolve it."""
    if sigma < 0.3:
        return light
    reach = np.arange(-3, 4, dtype=np.float32)
    kernel = np.exp(-(reach**2) / np.float32(2 * sigma**2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        edges = [(3, 3) if each == axis else (0, 0) for each in range(light.ndim)]
        wide, length = np.pad(light, edges, mode="edge"), light.shape[axis]
        light = np.zeros_like(light)
        for at, weight in enumerate(kernel):
            light += weight * np.take(wide, range(at, at + length), axis)
    return light
