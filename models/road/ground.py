"""The road itself: asphalt, markings, patches and shadows, and what water does to it."""

from dataclasses import dataclass

import numpy as np

from models.road.camera import Light
from models.road.scene import Plane, Weather, noise

WATER = 0.02
"""Share of light that water reflects straight down (n = 1.33); Schlick's approximation gives the rest."""


@dataclass(frozen=True)
class View:
    """Where each pixel below the horizon meets the ground.

    Attributes:
        below: which pixels do.
        across, ahead: metres from the camera's axis and from the camera.
        grazing: cosine of the angle between the line of sight and the vertical.
        pixel: size of a pixel on the ground along the road, metres.
    """

    below: np.ndarray
    across: Plane
    ahead: Plane
    grazing: Plane
    pixel: Plane


def view(height: int, width: int, horizon: float, focal: float, above_m: float) -> View:
    """The ground as a camera sees it.

    Args:
        height, width, horizon, focal: pixels.
        above_m: the camera's height over the road.
    """
    y, x = np.mgrid[0.5:height, 0.5:width].astype(np.float32)
    drop = np.maximum(y - np.float32(horizon), 0.4)
    ahead = np.float32(above_m * focal) / drop
    tangent = drop / np.float32(focal)
    return View(
        below=y > horizon,
        across=(x - np.float32(width / 2)) * ahead / np.float32(focal),
        ahead=ahead,
        grazing=tangent / np.sqrt(1 + tangent**2),
        pixel=ahead / drop,
    )


def ground(rng: np.random.Generator, view: View, weather: Weather, mirrored: Light, *, wet: bool) -> Light:
    """The light that comes from the ground.

    Args:
        rng: of every choice.
        view: where pixels meet it.
        weather: the light that falls on it.
        mirrored: what a mirror in its place would show.
        wet: whether there is water on the road.
    """
    bend, aside = rng.uniform(-0.004, 0.004), rng.uniform(-2.0, 2.0)
    across = (view.across - np.float32(aside) - np.float32(bend) * view.ahead**2).astype(np.float32)
    half = np.float32(rng.uniform(2.8, 5.5))
    road = np.clip((half - np.abs(across)) / np.maximum(view.pixel * 0.2, 0.03) + 0.5, 0, 1)
    albedo = _asphalt(rng, across, view) + _marks(rng, across, half, view)[..., None]
    verge, paved = _verge(rng, across, view)
    albedo = np.clip(albedo, 0.01, 0.9) * road[..., None] + verge * (1 - road[..., None])
    water = _water(rng, across, view) * np.maximum(road, paved) if wet else np.zeros_like(road)
    # Water fills the pores: light that would leave them is held back (Twomey et al., Applied Optics 25, 1986).
    albedo = albedo * (1 - np.float32(rng.uniform(0.25, 0.55)) * np.sqrt(water)[..., None])
    lit = weather.sun * _shadows(rng, across, view)[..., None] * np.float32(rng.uniform(0.4, 0.8)) + weather.shade
    schlick = np.float32(WATER) + np.float32(1 - WATER) * (1 - view.grazing) ** 5
    # Dry stones shine too, near the horizon, but they are too rough to mirror what stands there.
    sheen = (schlick * np.float32(rng.uniform(0.0, 0.3)) * (1 - water))[..., None] * weather.skyline
    mirror = (schlick * water)[..., None]
    return (albedo * lit * (1 - mirror) + sheen * np.float32(0.6) + mirror * mirrored).astype(np.float32)


def smear(rng: np.random.Generator, mirrored: Light, horizon: float) -> Light:
    """A mirror of rough water: every column drawn out along itself, the more the nearer it is, and a little wavy."""
    height, width = mirrored.shape[:2]
    rows = np.arange(height)
    reach = 1 + np.maximum(rows - horizon, 0) * rng.choice((rng.uniform(0.02, 0.15), rng.uniform(0.15, 0.7)))
    sums = np.concatenate([np.zeros((1, width, 3)), np.cumsum(mirrored, axis=0, dtype=np.float64)])
    first = np.clip(rows - reach, 0, height - 1).astype(int)
    last = np.clip(rows + reach + 1, 1, height).astype(int)
    drawn = (sums[last] - sums[first]) / (last - first)[:, None, None]
    wave = rng.normal(0, rng.uniform(0, 1.5), height)
    return np.stack([np.roll(row, int(shift), axis=0) for row, shift in zip(drawn, wave, strict=True)]).astype(
        np.float32
    )


def _asphalt(rng: np.random.Generator, across: Plane, view: View) -> Light:
    """Its reflectance: old and grey or new and black, mottled, grained, patched, worn where wheels run, cracked."""
    tone = rng.uniform(0.05, 0.35)
    fine = np.clip(0.06 / view.pixel, 0, 1)
    grain = noise(rng, across * 9, view.ahead * 9, octaves=2) * fine * np.float32(rng.uniform(0.05, 0.35))
    mottle = noise(rng, across * 0.5, view.ahead * 0.2, octaves=3) * np.float32(rng.uniform(0, 0.25))
    wheels = np.exp(-((np.abs(np.abs(across) - 1.7) - 0.75) ** 2) * 8) * np.float32(rng.uniform(-0.2, 0.2))
    surface = 1 + grain + mottle + wheels
    for _ in range(int(rng.choice((0, 0, 1, 2, 3)))):
        at, start = rng.uniform(-4, 4), rng.uniform(3, 25)
        inside = (np.abs(across - at) < rng.uniform(0.4, 2)) & (np.abs(view.ahead - start) < rng.uniform(0.6, 6))
        surface = np.where(inside, surface * rng.uniform(0.5, 1.3), surface)
    if rng.random() < 0.4:
        crack = np.abs(noise(rng, across * 0.7, view.ahead * 0.5, octaves=3)) < 0.02 * np.clip(0.3 / view.pixel, 0.3, 2)
        surface = np.where(crack, surface * rng.uniform(0.3, 0.7), surface)
    if rng.random() < 0.3:
        litter = noise(rng, across * 6, view.ahead * 5, octaves=1) * fine > rng.uniform(0.6, 0.85)
        surface = np.where(litter, rng.uniform(0.5, 2.5), surface)
    return (np.float32(tone) * surface[..., None] * rng.uniform(0.94, 1.06, 3)).astype(np.float32)


def _marks(rng: np.random.Generator, across: Plane, half: np.float32, view: View) -> Plane:
    """What paint adds to the reflectance: edge lines, a centre line with or without gaps, sometimes a crossing."""
    paint, marks = rng.uniform(0.15, 0.6), np.zeros_like(across)
    edge = np.maximum(view.pixel * 0.3, 0.02)
    if rng.random() < 0.7:
        marks += np.clip((0.08 - np.abs(np.abs(across) - half + 0.4)) / edge + 0.5, 0, 1)
    if rng.random() < 0.8:
        dashes = (view.ahead + rng.uniform(0, 9)) % 9 < rng.choice((3, 4.5, 9))
        marks += np.clip((0.08 - np.abs(across)) / edge + 0.5, 0, 1) * dashes
    if rng.random() < 0.15:
        start = rng.uniform(5, 14)
        marks += ((across % 1.0) < 0.5) * (np.abs(view.ahead - start) < 1.6) * (np.abs(across) < half)
    worn = np.clip(0.9 + noise(rng, across * 3, view.ahead * 2, octaves=2) * rng.uniform(0, 0.9), 0, 1)
    return np.minimum(marks, 1) * worn * np.float32(paint)


def _verge(rng: np.random.Generator, across: Plane, view: View) -> tuple[Light, float]:
    """Reflectance beside the road, and how much of it holds water as the road does."""
    grass, paving = (0.10, 0.16, 0.05), (0.28, 0.27, 0.25)
    kinds = ((grass, 0.0), ((0.22, 0.19, 0.10), 0.0), ((0.3, 0.25, 0.18), 0.0), (paving, 0.6))
    colour, paved = kinds[int(rng.integers(4))]
    mottle = 1 + noise(rng, across * 2, view.ahead * 1.5, octaves=3) * np.float32(0.3)
    return (mottle[..., None] * np.array(colour, np.float32) * np.float32(rng.uniform(0.6, 1.3))), paved


def _shadows(rng: np.random.Generator, across: Plane, view: View) -> Plane:
    """How much of the sun reaches the ground: shadows of trees, of walls and poles across the road."""
    sun = np.ones_like(across)
    if rng.random() < 0.5:
        crowns = noise(rng, across * 0.35, view.ahead * 0.25, octaves=3) - np.float32(rng.uniform(-0.3, 0.5))
        sun *= 1 - np.clip(crowns * np.float32(rng.uniform(3, 15)), 0, 1)
    for _ in range(int(rng.integers(0, 3))):
        slope, start, long = rng.uniform(-1.5, 1.5), rng.uniform(2, 30), rng.choice((0.2, 0.4, 4.0, 9.0))
        away = np.abs(view.ahead + slope * across - start) - np.float32(long)
        sun *= np.clip(away / np.maximum(view.pixel, 0.05) + 0.5, 0, 1)
    return sun


def _water(rng: np.random.Generator, across: Plane, view: View) -> Plane:
    """How much of the road mirrors: a film all over, puddles, or wet lanes with dry wheel tracks."""
    kind = rng.choice(("film", "puddles", "tracks", "dull"), p=(0.35, 0.3, 0.15, 0.2))
    pools = noise(rng, across * rng.uniform(0.25, 0.6), view.ahead * rng.uniform(0.1, 0.3), octaves=3)
    if kind == "film":
        return np.clip(rng.uniform(0.6, 0.95) + pools * 0.25, 0, 1).astype(np.float32)
    if kind == "dull":
        return np.clip(rng.uniform(0.45, 0.65) + pools * 0.15, 0, 1).astype(np.float32)
    if kind == "tracks":
        tracks = np.exp(-((np.abs(np.abs(across) - 1.7) - 0.75) ** 2) * 10)
        return np.clip(rng.uniform(0.6, 0.9) * (1 - 0.8 * tracks) + pools * 0.2, 0, 1).astype(np.float32)
    pooled = np.clip((pools - rng.uniform(-0.35, 0.1)) * 6, 0, 1)
    return np.clip(rng.uniform(0.2, 0.4) + pooled, 0, 1).astype(np.float32)
