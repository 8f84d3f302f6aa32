"""Outlines and surfaces to draw with: signed distances in pixels, and shading over a window of them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
Outline = Callable[[Plane, Plane], Plane]
"""Signed distance of points, given relative to the shape's centre, from its edge; negative inside."""


def round_outline(rng: np.random.Generator, radius: float, wobble: float) -> Outline:
    """A disc whose radius varies with the angle by about ``wobble`` of itself, as a struck coin's does."""
    waves = [(k, rng.uniform(0, wobble) / (k - 1), rng.uniform(0, math.tau)) for k in (2, 3, 4, 5, 7)]

    def distance(x: Plane, y: Plane) -> Plane:
        rho = np.hypot(x, y)
        if wobble == 0:
            return rho - np.float32(radius)
        theta = np.arctan2(y, x)
        edge = 1 + sum(np.float32(a) * np.cos(np.float32(k) * theta + np.float32(phase)) for k, a, phase in waves)
        return rho - np.float32(radius) * edge

    return distance


def ellipse(rng: np.random.Generator, radius: float) -> Outline:
    """An ellipse at least 1.6 times as long as wide, which nobody takes for a circle."""
    a, b = radius, radius / rng.uniform(1.6, 3.5)

    def distance(x: Plane, y: Plane) -> Plane:
        # First-order distance: the implicit function over the length of its gradient.
        f = np.hypot(x / a, y / b)
        return f * (f - 1) / (np.hypot(x / a**2, y / b**2) + 1e-6)

    return _turned(rng, distance)


def box(rng: np.random.Generator, radius: float) -> Outline:
    """A rectangle, square in half of the cases, its corners sometimes a little rounded."""
    half_x = radius * rng.uniform(0.6, 0.85)
    half_y = half_x if rng.random() < 0.5 else half_x * rng.uniform(0.15, 0.8)
    corner = half_y * rng.uniform(0, 0.15)

    def distance(x: Plane, y: Plane) -> Plane:
        qx, qy = np.abs(x) - (half_x - corner), np.abs(y) - (half_y - corner)
        return np.hypot(np.maximum(qx, 0), np.maximum(qy, 0)) + np.minimum(np.maximum(qx, qy), 0) - corner

    return _turned(rng, distance)


def polygon(rng: np.random.Generator, radius: float) -> Outline:
    """A convex polygon of three to five sides, or six where it is large enough to tell; regular or not."""
    sides = int(rng.integers(3, 7 if radius > 24 else 6))
    spread = 0.0 if rng.random() < 0.5 or sides > 5 else 0.3
    angles = (np.arange(sides) + rng.uniform(-spread, spread, sides)) * math.tau / sides
    apothem = radius * math.cos(math.pi / sides)

    def distance(x: Plane, y: Plane) -> Plane:
        planes = [np.float32(math.cos(a)) * x + np.float32(math.sin(a)) * y for a in angles]
        return np.maximum.reduce(planes) - apothem

    return _turned(rng, distance)


def blob(rng: np.random.Generator, radius: float) -> Outline:
    """A star, a clover or a stain: its radius varies so much that it is round no more."""
    lobes, depth = int(rng.integers(3, 8)), rng.uniform(0.28, 0.45)
    other, phase = int(rng.integers(2, 5)), rng.uniform(0, math.tau)

    def distance(x: Plane, y: Plane) -> Plane:
        theta = np.arctan2(y, x)
        wave = np.cos(lobes * theta) * depth + np.cos(other * theta + phase) * 0.12
        return np.hypot(x, y) - radius / (1.2 + depth) * (1 + wave)

    return _turned(rng, distance)


def sector(rng: np.random.Generator, radius: float) -> Outline:
    """A half disc, a slice of one or a crescent."""
    kind, cut = rng.integers(3), rng.uniform(-0.25, 0.1) * radius
    tilt = rng.uniform(0.3, 1.2)

    def distance(x: Plane, y: Plane) -> Plane:
        disc = np.hypot(x, y) - radius
        if kind == 0:
            return np.maximum(disc, y - cut)
        if kind == 1:
            return np.maximum(np.maximum(disc, y), np.sin(tilt) * x - np.cos(tilt) * y)
        return np.maximum(disc, radius - np.hypot(x, y - 0.7 * radius))

    return _turned(rng, distance)


def stroke(rng: np.random.Generator, radius: float) -> Outline:
    """A line of some width with round ends."""
    half, width = radius, max(0.6, min(radius * rng.uniform(0.01, 0.12), 8.0))

    def distance(x: Plane, y: Plane) -> Plane:
        return np.hypot(np.maximum(np.abs(x) - half, 0), y) - width

    return _turned(rng, distance)


def arc(rng: np.random.Generator, radius: float) -> Outline:
    """A bent line: a third of a circle's edge at most."""
    width, bend = max(0.6, radius * rng.uniform(0.01, 0.1)), rng.uniform(0.2, 0.5)

    def distance(x: Plane, y: Plane) -> Plane:
        edge = np.abs(np.hypot(x, y - radius) - radius) - width
        return np.maximum(edge, np.abs(x) - radius * bend * 1.7 + np.maximum(y - radius, 0))

    return _turned(rng, distance)


DISTRACTORS: tuple[Callable[[np.random.Generator, float], Outline], ...] = (
    ellipse,
    box,
    box,
    polygon,
    polygon,
    blob,
    sector,
    stroke,
    arc,
)


def _turned(rng: np.random.Generator, distance: Outline) -> Outline:
    angle = rng.uniform(0, math.tau)
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    return lambda x, y: distance(cos * x + sin * y, cos * y - sin * x)


def surface(rng: np.random.Generator, x: Plane, y: Plane, radius: float, noise: Plane) -> Plane:
    """Brightness to add to a shape's colour: flat, graded, domed, grained or embossed.

    Args:
        rng: chooses.
        x: columns relative to the shape's centre, in pixels.
        y: rows, likewise.
        radius: of the shape, in pixels.
        noise: a field of zero mean and unit variance over the same window.
    """
    kind = rng.integers(5)
    if kind == 0:
        return np.zeros_like(noise)
    if kind == 1:
        angle = rng.uniform(0, math.tau)
        return np.float32(rng.uniform(0.05, 0.15) / radius) * (math.cos(angle) * x + math.sin(angle) * y)
    if kind == 2:
        lit_x, lit_y = rng.uniform(-0.25, 0.25, 2) * radius
        # Little is added along the edge itself, or a lit ball could fade into what is behind it.
        return np.float32(rng.uniform(0.05, 0.25)) * (1 - ((x - lit_x) ** 2 + (y - lit_y) ** 2) / radius**2)
    if kind == 3:
        return np.float32(rng.uniform(0.03, 0.12)) * noise
    return _relief(rng, x, y, radius, noise)


def _relief(rng: np.random.Generator, x: Plane, y: Plane, radius: float, noise: Plane) -> Plane:
    """A struck surface lit from one side: a rim, raised strokes and bumps, and some wear."""
    rho = np.hypot(x, y)
    height: Plane = np.float32(rng.uniform(0, 1.5)) * np.exp(-(((rho / radius - rng.uniform(0.8, 0.95)) / 0.05) ** 2))
    for _ in range(rng.integers(3, 9)):
        angle, length = rng.uniform(0, math.tau), rng.uniform(0, 0.4) * radius
        px, py = rng.uniform(-0.6, 0.6, 2) * radius
        cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
        along, across = cos * (x - px) + sin * (y - py), cos * (y - py) - sin * (x - px)
        away = np.hypot(np.maximum(np.abs(along) - length, 0), across) / (radius * rng.uniform(0.06, 0.25))
        height = height + np.float32(rng.uniform(-1, 1.5)) * np.exp(-(away**2))
    height = height + np.float32(rng.uniform(0, 0.3)) * noise
    down, right = np.gradient(height)
    light = rng.uniform(0, math.tau)
    steep = np.asarray(math.cos(light) * right + math.sin(light) * down, np.float32)
    return np.clip(steep * np.float32(radius * rng.uniform(0.02, 0.07)), -0.4, 0.4)
