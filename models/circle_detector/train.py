"""Train the detector on drawn pictures: ``python -m models.circle_detector.train --out FOLDER [--resume]``."""

# pyright: reportMissingImports=false
# torch is in the group that trains; what serves and tests has none.

import argparse
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from models.circle_detector.detect import pad
from models.circle_detector.draw import Picture, draw
from models.circle_detector.network import MULTIPLE, RADIUS_UNIT, STRIDE, CircleNet

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Pictures, heat, geometry and the weight of each cell's geometry."""

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class Config:
    """What a run is made of; the same config gives the same pictures in the same order.

    Attributes:
        seed: of the pictures, their variations and the first weights.
        steps: batches to learn from, while the rate falls.
        batch_pixels: pixels of a batch; bigger pictures make smaller batches.
        sizes: heights and widths that batches take in turn.
        reuse: times that a picture is seen, each time mirrored and coloured anew; drawing costs as much as learning.
        rate: highest learning rate, after the warm-up.
        warm_up: steps in which the rate rises.
        decay: weight decay.
        average: how slowly the averaged weights, which are the ones exported, follow.
    """

    seed: int = 1
    steps: int = 6000
    batch_pixels: int = 8 * 256 * 256
    sizes: tuple[tuple[int, int], ...] = ((256, 256), (128, 192), (192, 256), (384, 512))
    reuse: int = 4
    rate: float = 4e-3
    warm_up: int = 100
    decay: float = 1e-4
    average: float = 0.998


class Batches(Dataset[Batch]):
    """Batch ``i`` of a run, made from the config alone, so that a resumed run sees what it would have seen."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._drawn: dict[tuple[int, int], Picture] = {}

    def __len__(self) -> int:
        return self._config.steps

    def __getitem__(self, step: int) -> Batch:
        config = self._config
        which, turn = step % len(config.sizes), step // len(config.sizes)
        height, width = config.sizes[which]
        count = max(1, config.batch_pixels // (height * width))
        pool = math.ceil(config.steps / len(config.sizes) / config.reuse) * count
        rng = np.random.default_rng((config.seed, step))
        pictures = [vary(rng, self._picture(which, (turn * count + i) % pool, height, width)) for i in range(count)]
        targets = [target(picture.circles, height, width) for picture in pictures]
        heat, geometry, weight = (torch.from_numpy(np.stack(part)) for part in zip(*targets, strict=True))
        return (
            torch.from_numpy(np.stack([pad(picture.pixels, MULTIPLE) for picture in pictures])),
            heat,
            geometry,
            weight,
        )

    def _picture(self, which: int, index: int, height: int, width: int) -> Picture:
        """Picture ``index`` of a size, up to half a padding smaller than the batch's; drawn once, then kept."""
        key = which, index
        if key not in self._drawn:
            seed = self._config.seed * 10 + which
            less = np.random.default_rng((seed, index, 1)).integers(0, MULTIPLE // 2, 2)
            self._drawn[key] = draw(seed, index, height - int(less[0]), width - int(less[1]))
        return self._drawn[key]


def vary(rng: np.random.Generator, picture: Picture) -> Picture:
    """The picture mirrored, with its colours exchanged or inverted, at random."""
    pixels, circles = picture.pixels, picture.circles.copy()
    if rng.random() < 0.5:
        pixels, circles[:, 0] = pixels[:, ::-1], pixels.shape[1] - circles[:, 0]
    if rng.random() < 0.5:
        pixels, circles[:, 1] = pixels[::-1], pixels.shape[0] - circles[:, 1]
    pixels = pixels[..., rng.permutation(3)]
    if rng.random() < 0.3:
        pixels = 255 - pixels
    return Picture(pixels, circles)


def target(
    circles: NDArray[np.float32], height: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """What the network should answer for a picture of this size: heat, geometry and the geometry's weights."""
    rows, columns = height // STRIDE, width // STRIDE
    heat = np.zeros((1, rows, columns), np.float32)
    geometry = np.zeros((3, rows, columns), np.float32)
    weight = np.zeros((1, rows, columns), np.float32)
    y, x = np.mgrid[0.5:rows, 0.5:columns].astype(np.float32)
    for centre_x, centre_y, radius in circles / STRIDE:
        apart = (x - centre_x) ** 2 + (y - centre_y) ** 2
        # An answer this far from the centre still overlaps the truth well.
        spread = max(0.7, 0.1 * radius)
        heat[0] = np.maximum(heat[0], np.exp(-apart / (2 * spread**2)))
        heat[0, int(centre_y), int(centre_x)] = 1
        near = apart <= max(1.0, 1.5 * spread) ** 2
        size = math.log(radius * STRIDE / RADIUS_UNIT)
        geometry[:, near] = np.stack([centre_x - x[near], centre_y - y[near], np.full(near.sum(), size, np.float32)])
        weight[0, near] = 1 / near.sum()
    return heat, geometry, weight


def loss(answer: tuple[Tensor, Tensor], heat: Tensor, geometry: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """CornerNet's focal loss of the heat (Law & Deng, 2018) and the absolute error of the geometry, each by circle."""
    logits, circle = answer
    chance = logits.sigmoid()
    hit = (1 - chance) ** 2 * functional.logsigmoid(logits)
    miss = (1 - heat) ** 4 * chance**2 * functional.logsigmoid(-logits)
    # A batch with hardly a circle in it must not outweigh the others.
    count = (heat == 1).sum().clamp(min=10)
    focal = -torch.where(heat == 1, hit, miss).sum() / count
    # An error of a fifth of the radius weighs as much wherever it is: in the centre or in the radius.
    unit = torch.cat([geometry[:, 2:].exp() * RADIUS_UNIT / STRIDE] * 2 + [torch.ones_like(weight)], dim=1)
    error = ((circle - geometry).abs() / unit * weight).sum() / count
    return focal, error


def train(config: Config, out: Path, *, resume: bool) -> Iterator[tuple[int, float, float]]:
    """Run, saving to ``out`` every two hundred steps; yields step, focal loss and geometry loss.

    Raises:
        FileExistsError: there is a checkpoint and ``resume`` is not set.
    """
    torch.manual_seed(config.seed)
    network = CircleNet().to(memory_format=torch.channels_last)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.average), use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=config.decay)
    start, saved = 0, out / CHECKPOINT
    if saved.exists():
        if not resume:
            raise FileExistsError(f"{saved} is there already.\n  Go on with --resume, or give another --out.")
        state = torch.load(saved, weights_only=True)
        if state["config"] != repr(config):
            raise FileExistsError(f"{saved} is of another config.\n  Give another --out.")
        start = state["step"]
        for part, key in ((network, "network"), (averaged, "averaged"), (optimiser, "optimiser")):
            part.load_state_dict(state[key])
    out.mkdir(parents=True, exist_ok=True)
    batches = DataLoader(Batches(config), batch_size=None, sampler=range(start, config.steps), num_workers=1)
    for step, (pictures, heat, geometry, weight) in enumerate(batches, start + 1):
        for group in optimiser.param_groups:
            group["lr"] = rate(config, step)
        network.train()
        focal, error = loss(network(pictures), heat, geometry, weight)
        optimiser.zero_grad()
        (focal + 4 * error).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
        averaged.update_parameters(network)
        if step % 200 == 0 or step == config.steps:
            parts = {"network": network, "averaged": averaged, "optimiser": optimiser}
            states = {key: part.state_dict() for key, part in parts.items()}
            partial = saved.with_suffix(".partial")
            torch.save({"config": repr(config), "step": step, **states}, partial)
            partial.replace(saved)
        yield step, focal.item(), error.item()


def rate(config: Config, step: int) -> float:
    """The learning rate: a warm-up and a fall along a cosine."""
    rise = min(1.0, step / config.warm_up)
    return config.rate * rise * (0.01 + 0.99 * (1 + math.cos(math.pi * step / config.steps)) / 2)


def trained(out: Path) -> CircleNet:
    """The averaged network of the latest checkpoint in a run's folder."""
    averaged = AveragedModel(CircleNet(), use_buffers=True)
    averaged.load_state_dict(torch.load(out / CHECKPOINT, weights_only=True)["averaged"])
    return averaged.module.eval()


def main() -> None:
    """Train and say how it goes."""
    parser = argparse.ArgumentParser(prog="python -m models.circle_detector.train", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run: its checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--steps", type=int, default=Config.steps, help="batches to learn from")
    given = parser.parse_args()
    config = Config(steps=given.steps)
    print(asdict(config), flush=True)
    # One core draws. Threads that wait for each other on a core too few spend most of their time waiting.
    torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
    began, first = time.monotonic(), 0
    try:
        for step, focal, error in train(config, given.out, resume=given.resume):
            first = first or step - 1
            if step % 20 == 0:
                pace = (time.monotonic() - began) / (step - first)
                left = pace * (config.steps - step) / 60
                print(f"{step}/{config.steps}  heat {focal:.3f}  geometry {error:.3f}  {left:.1f} min left", flush=True)
    except FileExistsError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
