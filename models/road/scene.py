"""What stands around a road: sky, houses, trees, posts and cars, upright and as a wet road mirrors them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.road.camera import Light

Plane = NDArray[np.float32]
"""A value a pixel, (height, width)."""


@dataclass(frozen=True)
class Weather:
    """The light of a picture.

    Attributes:
        zenith, skyline: colours of the sky above and at the horizon.
        clouds: how much of the sky they change, 0…1.
        sun: colour of direct light; black under an overcast sky.
        shade: colour of the light from everywhere.
        lit: how bright lamps and windows are.
    """

    zenith: Plane
    skyline: Plane
    clouds: float
    sun: Plane
    shade: Plane
    lit: float


@dataclass(frozen=True)
class Thing:
    """Something upright.

    Attributes:
        left, right: its sides, pixels.
        foot: the row it stands on.
        tall: its height, pixels.
        pixels: its colours and how much they cover (rows, columns, 4), stretched over it.
    """

    left: float
    right: float
    foot: float
    tall: float
    pixels: NDArray[np.float32]


def weather(rng: np.random.Generator) -> Weather:
    """Sun, clouds, an overcast sky or dusk; nothing of it depends on whether the road is wet."""
    tint = rng.uniform(0.92, 1.08, 3)
    kind = rng.choice(("clear", "cloudy", "overcast", "dusk"), p=(0.3, 0.25, 0.3, 0.15))
    if kind == "dusk":
        glow = rng.uniform(0.1, 0.3) * np.array([1.0, rng.uniform(0.5, 0.8), rng.uniform(0.4, 0.8)])
        high = rng.uniform(0.03, 0.1) * np.array([0.7, 0.8, 1.1])
        return _weather(high, glow, 0.5, np.zeros(3), (high + glow) / 2, rng.uniform(1.0, 4.0))
    if kind == "overcast":
        grey = rng.uniform(0.5, 0.9) * tint
        return _weather(grey * rng.uniform(0.7, 1.1), grey, rng.uniform(0, 0.5), np.zeros(3), grey * 0.8, 0.3)
    high = np.array([0.25, 0.42, 0.75]) * rng.uniform(0.7, 1.2) * tint
    low = np.array([0.75, 0.82, 0.9]) * rng.uniform(0.7, 1.1) * tint
    sun = rng.uniform(0.8, 1.6) * np.array([1.0, rng.uniform(0.8, 0.98), rng.uniform(0.6, 0.9)])
    return _weather(high, low, 0.2 if kind == "clear" else 0.9, sun, (high + low) * rng.uniform(0.15, 0.3), 0.2)


def _weather(  # noqa: PLR0917 - in the order of the attributes
    zenith: NDArray[np.floating],
    skyline: NDArray[np.floating],
    clouds: float,
    sun: NDArray[np.floating],
    shade: NDArray[np.floating],
    lit: float,
) -> Weather:
    zenith32, skyline32, sun32, shade32 = (each.astype(np.float32) for each in (zenith, skyline, sun, shade))
    return Weather(zenith32, skyline32, clouds, sun32, shade32, lit)


def sky(rng: np.random.Generator, weather: Weather, height: int, width: int, horizon: float) -> Light:
    """The sky of every row, below the horizon as water mirrors it."""
    up = np.abs(np.arange(height, dtype=np.float32) - np.float32(horizon)) / np.float32(height)
    blend = np.clip(up * 2.2, 0, 1)[:, None, None]
    light = weather.skyline * (1 - blend) + weather.zenith * blend
    y = np.broadcast_to(((up[:, None] + 0.02) * 10).astype(np.float32), (height, width))
    x = np.broadcast_to(np.linspace(0, 6, width, dtype=np.float32), (height, width))
    cover = np.clip(noise(rng, x, (y * 2).astype(np.float32), octaves=3) * 1.6, 0, 1)[..., None] * np.float32(
        weather.clouds
    )
    return (light * (1 - cover) + weather.skyline.mean() * np.float32(rng.uniform(0.7, 1.3)) * cover).astype(np.float32)


def things(rng: np.random.Generator, weather: Weather, height: int, width: int, horizon: float) -> list[Thing]:
    """What stands at the horizon, beside the road and on it, farthest first."""
    bright = weather.sun * np.float32(0.5) + weather.shade
    made: list[Thing] = []
    backdrop = rng.choice(("houses", "trees", "both", "open"))
    for _ in range(int(rng.integers(4, 14))):
        at, wide = rng.uniform(-0.1, 1.0) * width, rng.uniform(0.06, 0.3) * width
        house = backdrop == "houses" or (backdrop == "both" and rng.random() < 0.5)
        tall = rng.uniform(0.03, 0.08 if backdrop == "open" else 0.35) * height
        pixels = _house(rng, bright, weather.lit) if house else _tree(rng, bright)
        made.append(Thing(at, at + wide, horizon + rng.uniform(0, 0.02) * height, tall, pixels))
    for _ in range(int(rng.integers(0, 5))):
        at, near = rng.choice((rng.uniform(0, 0.25), rng.uniform(0.75, 1.0))) * width, rng.uniform(0.02, 0.2) * height
        made.append(Thing(at, at + 1 + near / 8, horizon + near, near * rng.uniform(2, 5), _post(rng, bright, weather)))
    for _ in range(int(rng.choice((0, 0, 1, 1, 2, 3)))):
        near = rng.uniform(0.03, 0.22) * height
        at, wide = rng.uniform(0.15, 0.8) * width, near * rng.uniform(1.2, 1.7)
        made.append(Thing(at, at + wide, horizon + near, near * rng.uniform(0.9, 1.4), _car(rng, bright, weather.lit)))
    return sorted(made, key=lambda thing: thing.foot)


def stand(light: Light, things: Sequence[Thing], *, mirrored: bool = False) -> Light:
    """A picture with the things in it; mirrored, each hangs down from where it stands."""
    light = light.copy()
    height, width = light.shape[:2]
    for thing in things:
        top, bottom = (thing.foot, thing.foot + thing.tall) if mirrored else (thing.foot - thing.tall, thing.foot)
        rows = np.arange(max(0, int(top)), min(height, int(bottom)))
        columns = np.arange(max(0, int(thing.left)), min(width, int(thing.right) + 1))
        if not (rows.size and columns.size):
            continue
        down = (rows + 0.5 - top) / thing.tall
        down = np.clip(1 - down if mirrored else down, 0, 0.999) * thing.pixels.shape[0]
        along = np.clip((columns + 0.5 - thing.left) / (thing.right - thing.left), 0, 0.999) * thing.pixels.shape[1]
        taken = thing.pixels[np.ix_(down.astype(int), along.astype(int))]
        window = np.ix_(rows, columns)
        light[window] += taken[..., 3:] * (taken[..., :3] - light[window])
    return light


def _house(rng: np.random.Generator, bright: Plane, lit: float) -> NDArray[np.float32]:
    pixels = np.ones((24, 24, 4), np.float32)
    pixels[..., :3] = bright * rng.uniform(0.1, 0.7) * rng.uniform(0.75, 1.1, 3)
    floors, step = int(rng.integers(2, 7)), int(rng.integers(3, 7))
    for row in range(1, 22, floors + 1):
        for column in range(1, 22, step):
            lamp = rng.random() < 0.3
            shine = np.array([1.0, 0.8, 0.5]) * lit if lamp else bright * rng.uniform(0.03, 0.5)
            pixels[row : row + max(1, floors - 1), column : column + step // 2, :3] = shine
    return pixels


def _tree(rng: np.random.Generator, bright: Plane) -> NDArray[np.float32]:
    y, x = np.mgrid[0:1:32j, -1:1:32j].astype(np.float32)
    ragged = noise(rng, x * 4, y * 5, octaves=2)
    crown = np.clip((1 - np.hypot(x, (y - 0.45) * 1.9) + ragged * 0.5 - 0.2) * 8, 0, 1)
    trunk = (np.abs(x) < 0.08) & (y > 0.6)
    leaves = np.array([rng.uniform(0.05, 0.25), rng.uniform(0.12, 0.25), rng.uniform(0.03, 0.1)], np.float32)
    colours = bright * leaves * (0.5 + noise(rng, x * 9, y * 9, octaves=1))[..., None]
    return np.dstack([colours, np.maximum(crown, trunk)]).astype(np.float32)


def _post(rng: np.random.Generator, bright: Plane, weather: Weather) -> NDArray[np.float32]:
    pixels = np.ones((20, 1, 4), np.float32)
    pixels[..., :3] = bright * rng.uniform(0.05, 0.5)
    if rng.random() < 0.6:
        pixels[:2, :, :3] = np.array([1.0, 0.8, 0.5], np.float32) * np.float32(weather.lit * 3) + bright * 0.3
    return pixels


def _car(rng: np.random.Generator, bright: Plane, lit: float) -> NDArray[np.float32]:
    pixels = np.zeros((16, 20, 4), np.float32)
    paint = bright * rng.uniform(0.03, 0.8) * rng.uniform(0.6, 1.2, 3)
    pixels[6:14, :, :3], pixels[6:14, :, 3] = paint, 1
    pixels[1:6, 3:17, :3], pixels[1:6, 3:17, 3] = paint * 0.8, 1
    pixels[2:6, 4:16, :3] = bright * rng.uniform(0.02, 0.3)
    pixels[13:, 1:5, :], pixels[13:, 15:19, :] = (0.01, 0.01, 0.01, 1), (0.01, 0.01, 0.01, 1)
    lamp = np.array([1.0, 0.08, 0.05] if rng.random() < 0.6 else [1.0, 0.95, 0.8]) * (0.3 + lit * rng.uniform(0.2, 1.5))
    pixels[8:10, 1:4, :3], pixels[8:10, 16:19, :3] = lamp, lamp
    return pixels


def noise(rng: np.random.Generator, x: Plane, y: Plane, octaves: int) -> Plane:
    """Smooth noise at points, about -1…1: each octave twice as fine and half as strong as the one before."""
    total, strength = np.zeros(x.shape, np.float32), 1.0
    for octave in range(octaves):
        tile = rng.uniform(-1, 1, 64 * 64).astype(np.float32)
        u, v = x * np.float32(2**octave), y * np.float32(2**octave)
        column, row = np.floor(u), np.floor(v)
        du, dv = u - column, v - row
        du, dv = du * du * (3 - 2 * du), dv * dv * (3 - 2 * dv)
        left, above = column.astype(np.int32) & 63, (row.astype(np.int32) & 63) << 6
        right, below = (left + 1) & 63, (above + 64) & 4032
        upper, lower = tile.take(above | left), tile.take(below | left)
        upper += (tile.take(above | right) - upper) * du
        lower += (tile.take(below | right) - lower) * du
        total += np.float32(strength) * (upper + (lower - upper) * dv)
        strength /= 2
    return total
