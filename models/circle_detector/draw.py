"""The pictures that the detector learns from and is measured on, with their truth; the same seed, the same picture."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from models.circle_detector.shapes import DISTRACTORS, Outline, Plane, round_outline, surface

WORKING_SIDE = 512
"""Pixels: the longest side that the detector sees."""

RADIUS_MIN = 6.0
"""Pixels, in a picture scaled to ``WORKING_SIDE``. Smaller discs are dots to a detector of stride 4."""

DISTRACTOR_MIN = 12.0
"""Pixels from centre to corner, likewise. Smaller squares are hardly told from discs, less so when blurred."""

HELD_OUT = 1_000_000_007
"""Seed of the pictures that measure and never train."""


@dataclass(frozen=True)
class Picture:
    """A drawn picture.

    Attributes:
        pixels: height x width x 3, uint8.
        circles: n x 3: centre x, centre y and radius in pixels; a pixel's own centre lies at its index plus one half.
    """

    pixels: NDArray[np.uint8]
    circles: NDArray[np.float32]


def draw(seed: int, index: int, height: int, width: int, *, circles: bool = True) -> Picture:
    """Draw one picture.

    Args:
        seed: of the set.
        index: of the picture in the set.
        height: rows.
        width: columns.
        circles: whether there may be any; without, every shape is a distractor.
    """
    rng = np.random.default_rng((seed, index))
    noise = _noise(rng, height, width)
    canvas = _background(rng, noise)
    discs = _place(rng, height, width) if circles and rng.random() > 0.1 else np.zeros((0, 3), np.float32)
    for _ in range(int(rng.integers(0, 4) if rng.random() < 0.5 else rng.integers(3, 16))):
        _distract(rng, canvas, noise)
    alike = rng.random() < 0.4
    style = int(rng.integers(1 << 32))
    for x, y, radius in discs:
        chooser = np.random.default_rng(style) if alike else rng
        _disc(rng, chooser, canvas, noise, (float(x), float(y), float(radius)))
    return Picture(_photograph(rng, canvas), discs)


def _noise(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Noise with a power spectrum between white and that of clouds; zero mean, unit variance."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    slope = rng.uniform(0.3, 1.8)
    amplitude = (fx**2 + fy**2 + 1e-5) ** (-slope / 2)
    amplitude[0, 0] = 0
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((height, width))) * amplitude, s=(height, width))
    return (field / (field.std() + 1e-9)).astype(np.float32)


def _background(rng: np.random.Generator, noise: Plane) -> NDArray[np.float32]:
    height, width = noise.shape
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j].astype(np.float32)
    angle, tilt = rng.uniform(0, math.tau), rng.uniform(0, 0.5) * (rng.random() < 0.6)
    plane = np.float32(tilt) * (math.cos(angle) * x + math.sin(angle) * y)
    plane += np.float32(rng.choice([0.0, 0.02, 0.06, 0.15], p=[0.2, 0.4, 0.25, 0.15])) * noise
    if rng.random() < 0.15:
        waves = np.sin(rng.uniform(10, 120) * (math.cos(angle) * x + math.sin(angle) * y))
        plane += np.float32(rng.uniform(0.03, 0.2)) * (np.sign(waves) if rng.random() < 0.5 else waves)
    return (plane[..., None] + _colour(rng)).astype(np.float32)


def _colour(rng: np.random.Generator) -> NDArray[np.float32]:
    grey = rng.uniform(0.05, 0.95)
    tint = rng.uniform(-0.3, 0.3, 3) * (rng.random() < 0.6)
    return np.clip(grey + tint, 0, 1).astype(np.float32)


def _place(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Centres and radii: scattered, in rows, or touching; none hides more than a part of another."""
    side = min(height, width)
    least = RADIUS_MIN * max(1.0, max(height, width) / WORKING_SIDE)
    typical = math.exp(rng.uniform(math.log(least + 1), math.log(0.42 * side)))
    spread = rng.choice([0.03, 0.2, 0.6])
    wanted = 1 + int(rng.integers(0, 25) * rng.random())
    touching, apart = rng.random() < 0.3, rng.choice([1.15, 1.0, 0.8])
    in_rows, pitch = rng.random() < 0.2, typical * rng.uniform(2.2, 3.5)
    placed: list[tuple[float, float, float]] = []
    for _ in range(wanted * 8):
        radius = float(np.clip(typical * math.exp(rng.normal(0, spread)), least, 0.46 * side))
        x, y = rng.uniform(0.85 * radius, width - 0.85 * radius), rng.uniform(0.85 * radius, height - 0.85 * radius)
        if in_rows:
            x, y = (round(x / pitch) + 0.08 * rng.normal()) * pitch, (round(y / pitch) + 0.08 * rng.normal()) * pitch
        elif touching and placed:
            other_x, other_y, other_radius = placed[int(rng.integers(len(placed)))]
            angle, gap = rng.uniform(0, math.tau), rng.uniform(0.98, 1.06) * (radius + other_radius)
            x, y = other_x + gap * math.cos(angle), other_y + gap * math.sin(angle)
        inside = 0.85 * radius <= x <= width - 0.85 * radius and 0.85 * radius <= y <= height - 0.85 * radius
        closest = 0.97 if touching else apart
        free = all(
            math.hypot(x - px, y - py) >= max(closest * (radius + pr), max(radius, pr) + 0.3 * min(radius, pr))
            for px, py, pr in placed
        )
        if inside and free:
            placed.append((x, y, radius))
        if len(placed) == wanted:
            break
    return np.array(placed, np.float32).reshape(-1, 3)


def _window(canvas: NDArray[np.float32], x: float, y: float, reach: float) -> tuple[slice, slice, Plane, Plane]:
    """The part of the canvas within ``reach`` of a point, with its pixels' places relative to the point."""
    height, width = canvas.shape[:2]
    rows = slice(max(0, int(y - reach) - 2), min(height, int(y + reach) + 3))
    columns = slice(max(0, int(x - reach) - 2), min(width, int(x + reach) + 3))
    across = (np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5 - x))[None]
    down = (np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(0.5 - y))[:, None]
    across, down = np.broadcast_arrays(across, down)
    return rows, columns, across, down


def _paint(
    rng: np.random.Generator,
    canvas: NDArray[np.float32],
    noise: Plane,
    at: tuple[float, float, float],
    outline: Outline,
    *,
    colour: NDArray[np.float32],
    opacity: float,
    hole: float = 0.0,
    rim: float = 0.0,
    shadow: float = 0.0,
) -> None:
    """Lay one shape over the canvas, its edge anti-aliased, in place.

    Args:
        rng: chooses the surface.
        canvas: what is painted on.
        noise: field that surfaces are made from.
        at: centre x, centre y and radius.
        outline: the shape.
        colour: RGB, 0 to 1.
        opacity: 1 hides what is under it.
        hole: width of a ring as a part of its radius; 0 fills the shape.
        rim: brightness that a thin line along the edge adds.
        shadow: how dark the soft shadow beside it is.
    """
    x, y, radius = at
    rows, columns, across, down = _window(canvas, x, y, radius * 1.25)
    if across.size < 4 or min(across.shape) < 2:
        return
    patch = canvas[rows, columns]
    if shadow:
        dx, dy = rng.uniform(-0.12, 0.12, 2) * radius
        soft = max(1.5, 0.1 * radius)
        patch *= 1 - np.float32(shadow) * np.clip(0.5 - outline(across - dx, down - dy) / soft, 0, 1)[..., None]
    distance = outline(across, down)
    cover = np.clip(0.5 - distance, 0, 1)
    if hole:
        cover = np.minimum(cover, np.clip(0.5 + distance + max(1.2, hole * radius), 0, 1))
    fill = colour + surface(rng, across, down, radius, noise[rows, columns])[..., None]
    if rim:
        fill += np.float32(rim) * np.exp(-((distance / max(1.0, 0.05 * radius) + 1) ** 2))[..., None]
    patch += (np.float32(opacity) * cover)[..., None] * (fill - patch)


def _distract(rng: np.random.Generator, canvas: NDArray[np.float32], noise: Plane) -> None:
    height, width = canvas.shape[:2]
    least = DISTRACTOR_MIN * max(1.0, max(height, width) / WORKING_SIDE)
    radius = math.exp(rng.uniform(math.log(least), math.log(0.6 * min(height, width))))
    at = float(rng.uniform(0, width)), float(rng.uniform(0, height)), radius
    outline = DISTRACTORS[int(rng.integers(len(DISTRACTORS)))](rng, radius)
    _paint(
        rng,
        canvas,
        noise,
        at,
        outline,
        colour=_colour(rng),
        opacity=rng.choice([1.0, 0.6]),
        hole=rng.choice([0.0, rng.uniform(0.03, 0.15)], p=[0.75, 0.25]),
        rim=rng.choice([0.0, rng.uniform(-0.3, 0.3)]),
        shadow=rng.choice([0.0, rng.uniform(0.2, 0.7)]),
    )


def _disc(
    rng: np.random.Generator,
    chooser: np.random.Generator,
    canvas: NDArray[np.float32],
    noise: Plane,
    at: tuple[float, float, float],
) -> None:
    """Paint a disc or a ring that stands out from what lies around it; ``chooser`` decides what alike discs share."""
    x, y, radius = at
    rows, columns, across, down = _window(canvas, x, y, radius)
    around = canvas[rows, columns][np.hypot(across, down) > 0.8 * radius]
    # Less than the spread of what surrounds it and even a person would not see it.
    contrast = max(chooser.choice([0.15, 0.25, 0.4]), min(1.5 * float(around.std(axis=0).max()), 0.5))
    around = around.mean(axis=0)
    colour = _colour(chooser)
    while np.abs(colour - around).max() < contrast:
        colour = _colour(rng)
    wobble = chooser.choice([0.0, 0.02, 0.07], p=[0.5, 0.25, 0.25])
    _paint(
        rng,
        canvas,
        noise,
        at,
        round_outline(rng, radius, wobble),
        colour=colour,
        opacity=chooser.choice([1.0, 0.85]),
        hole=chooser.choice([0.0, chooser.uniform(0.1, 0.35)], p=[0.8, 0.2]),
        rim=chooser.choice([0.0, chooser.uniform(-0.35, 0.35)]),
        shadow=chooser.choice([0.0, chooser.uniform(0.2, 0.7)]),
    )


def _photograph(rng: np.random.Generator, canvas: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Uneven light, blur, grain and gamma, then eight bits."""
    height, width = canvas.shape[:2]
    if rng.random() < 0.4:
        canvas = canvas.mean(axis=2, keepdims=True)
    if rng.random() < 0.5:
        lamp_x, lamp_y = rng.uniform(0, 1, 2)
        y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
        fall = np.float32(rng.uniform(0.2, 0.7)) * ((x - lamp_x) ** 2 + (y - lamp_y) ** 2)
        canvas = canvas * np.clip(1.1 - fall, 0.4, 1.1)[..., None]
    if rng.random() < 0.5:
        blur = rng.uniform(0.4, 1.6)
        canvas = gaussian_filter(canvas, (blur, blur, 0))
    if rng.random() < 0.6:
        grain = rng.standard_normal((height, width, 1), dtype=np.float32)
        canvas = canvas + np.float32(rng.uniform(0.005, 0.045)) * grain
    canvas = np.clip(canvas, 0, 1) ** np.float32(math.exp(rng.uniform(-0.4, 0.4)))
    return np.broadcast_to((canvas * 255 + 0.5).astype(np.uint8), (height, width, 3))
