"""From a picture to the network's input, and from its output to circles in the picture. No torch, no engine."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Run = Callable[[NDArray[np.uint8]], Sequence[NDArray[Any]]]
"""The exported graph: ``image`` n x 3 x height x width in, ``score`` and ``circle`` out, as ``network.Served`` says."""


@dataclass(frozen=True)
class Parameters:
    """The ``preprocess`` of the artefact.

    Attributes:
        longest_side: bigger pictures are scaled down to it, in pixels; circles are learnt at this scale.
        multiple: heights and widths of the input are filled up to a multiple of it.
        stride: input pixels between neighbouring answers.
        threshold: least confidence of a detection, chosen on drawn pictures that neither train nor measure.
        overlap: of two detections whose boxes have a higher IoU, only the more confident stays.
    """

    longest_side: int = 512
    multiple: int = 32
    stride: int = 4
    threshold: float = 0.4
    overlap: float = 0.45

    @classmethod
    def of(cls, preprocess: Mapping[str, Any]) -> "Parameters":
        """Read them from an artefact.

        Raises:
            TypeError: a key is unknown.
        """
        return cls(**preprocess)


@dataclass(frozen=True)
class Prepared:
    """A picture as the network takes it.

    Attributes:
        tensor: 3 x height x width, uint8, RGB.
        scale: input pixels for one pixel of the picture, by axis (x, y).
        size: width and height of the picture itself, in pixels.
    """

    tensor: NDArray[np.uint8]
    scale: tuple[float, float]
    size: tuple[int, int]


@dataclass(frozen=True)
class Circle:
    """A circular object, in pixels of the picture; x to the right and y down from its top left corner.

    Attributes:
        bbox: x, y, width and height of the part of its bounding box that lies in the picture.
        centroid: x and y of the centre.
        radius: of the circle.
        confidence: 0 to 1.
    """

    bbox: tuple[float, float, float, float]
    centroid: tuple[float, float]
    radius: float
    confidence: float


def prepare(picture: NDArray[np.uint8], parameters: Parameters) -> Prepared:
    """Scale a picture down to the working size and fill it up with grey, which the network's own padding is too.

    Args:
        picture: height x width (grey) or height x width x 3 (RGB).
        parameters: of the artefact.

    Raises:
        ValueError: the array is of another shape or type, or empty.
    """
    if picture.dtype != np.uint8 or picture.shape[2:] not in ((), (3,)) or picture.ndim < 2 or 0 in picture.shape:
        raise ValueError(f"A picture is height x width [x 3], uint8; got {picture.shape}, {picture.dtype}.")
    height, width = picture.shape[:2]
    shrink = min(1.0, parameters.longest_side / max(height, width))
    inner = max(1, round(width * shrink)), max(1, round(height * shrink))
    if inner != (width, height):
        picture = np.asarray(Image.fromarray(picture).resize(inner, Image.Resampling.BILINEAR, reducing_gap=2.0))
    if picture.ndim == 2:
        picture = np.broadcast_to(picture[..., None], (*picture.shape, 3))
    return Prepared(pad(picture, parameters.multiple), (inner[0] / width, inner[1] / height), (width, height))


def pad(picture: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """Height x width x 3 to 3 x height x width, grown to the right and down to multiples of ``multiple``."""
    height, width = picture.shape[:2]
    tensor = np.full((3, -height % multiple + height, -width % multiple + width), 128, np.uint8)
    tensor[:, :height, :width] = picture.transpose(2, 0, 1)
    return tensor


def detect(run: Run, pictures: Sequence[Prepared], parameters: Parameters) -> list[list[Circle]]:
    """The circles of each picture, most confident first; pictures with tensors of one size share a run of the graph."""
    groups: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, picture in enumerate(pictures):
        groups[picture.tensor.shape].append(index)
    found: list[list[Circle]] = [[] for _ in pictures]
    for members in groups.values():
        score, circle = run(np.stack([pictures[index].tensor for index in members]))
        for row, index in enumerate(members):
            found[index] = decode(score[row, 0], circle[row], pictures[index], parameters)
    return found


def decode(
    score: NDArray[np.float32], circle: NDArray[np.float32], picture: Prepared, parameters: Parameters
) -> list[Circle]:
    """Read the circles of one picture off its score map and the geometry beside it.

    Args:
        score: rows x columns; zero but at local maxima.
        circle: 3 x rows x columns: centre from the cell's own centre (x, y) and radius, in input pixels.
        picture: what the maps are of.
        parameters: of the artefact.
    """
    rows, columns = np.nonzero(score >= parameters.threshold)
    dx, dy, radius = circle[:, rows, columns].astype(np.float64)
    scale_x, scale_y = picture.scale
    x = ((columns + 0.5) * parameters.stride + dx) / scale_x
    y = ((rows + 0.5) * parameters.stride + dy) / scale_y
    radius = radius * 2 / (scale_x + scale_y)
    width, height = picture.size
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    x, y, radius, confidence = x[inside], y[inside], radius[inside], score[rows, columns][inside]
    order = np.argsort(-confidence, kind="stable")
    whole = np.stack([x - radius, y - radius, 2 * radius, 2 * radius], axis=1)
    seen = boxes(np.stack([x, y, radius], axis=1), picture.size)
    return [
        Circle(
            bbox=tuple(seen[i].tolist()),
            centroid=(float(x[i]), float(y[i])),
            radius=float(radius[i]),
            confidence=float(confidence[i]),
        )
        for i in _distinct(whole, order, parameters.overlap)
    ]


def boxes(circles: NDArray[np.floating[Any]], size: tuple[int, int]) -> NDArray[np.float64]:
    """Bounding boxes (n x 4: x, y, width, height) of circles (n x 3: x, y, radius), cut at the edges of the picture."""
    circles = circles.astype(np.float64)
    low = np.maximum(circles[:, :2] - circles[:, 2:], 0)
    high = np.minimum(circles[:, :2] + circles[:, 2:], size)
    return np.concatenate([low, high - low], axis=1)


def iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of every box of ``a`` with every box of ``b``; n x 4 and m x 4 give n x m."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    union = np.prod(a[:, None, 2:], axis=2) + np.prod(b[None, :, 2:], axis=2) - shared
    return shared / np.maximum(union, 1e-9)


def _distinct(found: NDArray[np.float64], order: NDArray[np.intp], overlap: float) -> list[int]:
    """Non-maximum suppression: indices in ``order`` whose boxes do not cover those of earlier ones too far."""
    kept: list[int] = []
    for i in order.tolist():
        if not kept or iou(found[[i]], found[kept]).max() <= overlap:
            kept.append(i)
    return kept
