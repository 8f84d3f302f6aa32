"""Trains EfficientNet-B3 from nothing on the pictures of a folder, so that a kill costs some steps and no more."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
# torch is in the group that trains; what serves and tests has none.

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.models import efficientnet_b3
from torchvision.models.efficientnet import MBConv

from models.imagenet.preprocess import Preprocess
from models.pictures import Pixels
from models.road import LABELS
from models.road.config import Augmentation, Config
from models.road.data import pictures, pixels

CHECKPOINT = "checkpoint.safetensors"


class RunError(Exception):
    """A run that cannot be gone on with; the message says why and what to do."""


def preprocess(size: int) -> Preprocess:
    """From a picture to what the network sees: the central square, about -1…1."""
    return Preprocess(size=size, crop=1.0, interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def network(config: Config) -> nn.Module:
    """EfficientNet-B3 (arXiv 1905.11946) for two labels, with the first weights of the config's seed."""
    torch.manual_seed(config.seed)
    told = {"dropout": config.dropout, "stochastic_depth_prob": 0.0}
    made = efficientnet_b3(weights=None, num_classes=len(LABELS), **told)
    # torchvision's first weights of a layer with two outputs are so large that the first hundred steps undo them.
    nn.init.zeros_(made.classifier[1].weight)
    # Blocks that add to what came in begin by adding nothing (arXiv 1706.02677, 5.1): else the loss stays at ln 2.
    for block in made.modules():
        if isinstance(block, MBConv) and block.use_res_connect:
            nn.init.zeros_(block.block[-1][1].weight)
    return made


def split(files: list[tuple[Path, int]], share: float) -> tuple[list[tuple[Path, int]], list[tuple[Path, int]]]:
    """Pictures to learn from, and those to validate with: the last ones, at least one."""
    kept = max(1, round(len(files) * share))
    return files[:-kept], files[-kept:]


def train(config: Config, folder: Path, out: Path) -> Iterator[tuple[int, int, float]]:
    """Train on the pictures of a folder; goes on from the checkpoint in ``out`` where there is one.

    Yields:
        Steps done, steps in all, and the loss of the last one.

    Raises:
        DataError: the folder has no pictures of a label.
        RunError: the checkpoint is of another config, other pictures or another torch.
    """
    _settle(config)
    files, _ = split(pictures(folder), config.validation)
    steps = max(1, len(files) // config.batch) * config.epochs
    learner, run = _Learner(config), _identity(config, files)
    start = learner.load(out / CHECKPOINT, run)
    out.mkdir(parents=True, exist_ok=True)
    for step in range(start, steps):
        seen, labels = batch(config, files, step)
        loss = learner.step(seen, labels, rate(config, step / steps), step)
        if (step + 1) % config.checkpoint_steps == 0 or step + 1 == steps:
            learner.save(out / CHECKPOINT, run, step + 1)
        yield step + 1, steps, loss


def trained(config: Config, out: Path) -> tuple[nn.Module, list[float]]:
    """The averaged network of a run's folder, and the loss of every step.

    Raises:
        RunError: there is no checkpoint.
    """
    _settle(config)
    file = out / CHECKPOINT
    if not file.exists():
        raise RunError(f"{out} has no {CHECKPOINT}.\n  Train first.")
    made = network(config)
    with safe_open(file, "pt") as kept:
        names = [name for name in kept.keys() if name.startswith("averaged.module.")]  # noqa: SIM118 - no mapping
        made.load_state_dict({name.removeprefix("averaged.module."): kept.get_tensor(name) for name in names})
        return made.eval(), json.loads(kept.metadata()["losses"])


class _Learner:
    """Network, its average and its optimiser: all that a step changes."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._network = network(config).to(memory_format=torch.channels_last).train()
        average = get_ema_multi_avg_fn(config.average)
        self._averaged = AveragedModel(self._network, multi_avg_fn=average, use_buffers=True)
        self._optimiser = torch.optim.AdamW(
            self._network.parameters(), lr=config.rate, weight_decay=config.decay, fused=True
        )
        self._losses: list[float] = []

    def step(self, seen: NDArray[np.float32], labels: list[int], rate: float, step: int) -> float:
        """Learn from a batch; its loss."""
        # Dropout draws from here: a run that goes on draws as if it had never stopped.
        torch.manual_seed(self._config.seed * 1_000_003 + step)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        logits = self._network(torch.from_numpy(seen).contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(logits, torch.tensor(labels), label_smoothing=self._config.smoothing)
        self._optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), 5.0)
        self._optimiser.step()
        self._averaged.update_parameters(self._network)
        self._losses.append(round(loss.item(), 6))
        return self._losses[-1]

    def save(self, file: Path, run: str, step: int) -> None:
        """Keep all of it in a file that is replaced when the new one is whole: a kill leaves the old or the new."""
        tensors: dict[str, Tensor] = {}
        for part, state in (("network", self._network.state_dict()), ("averaged", self._averaged.state_dict())):
            tensors |= {f"{part}.{name}": tensor.contiguous() for name, tensor in state.items()}
        for number, state in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": tensor.contiguous() for name, tensor in state.items()}
        partial = file.with_name(f".{file.name}.{os.getpid()}")
        save_file(tensors, partial, {"run": run, "step": str(step), "losses": json.dumps(self._losses)})
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(file)

    def load(self, file: Path, run: str) -> int:
        """Go on from a file; the steps that it has behind it, 0 where there is none."""
        for left in file.parent.glob(f".{file.name}.*"):
            left.unlink()
        if not file.exists():
            return 0
        with safe_open(file, "pt") as kept:
            told = kept.metadata()
            if told["run"] != run:
                raise RunError(
                    f"{file} is of another config, other pictures or another torch.\n"
                    "  Give another folder, or remove it to begin anew."
                )
            tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118 - no mapping
        for part, module in (("network", self._network), ("averaged", self._averaged)):
            state = {name.partition(".")[2]: tensor for name, tensor in tensors.items() if name.startswith(f"{part}.")}
            module.load_state_dict(state)
        optimiser: dict[int, dict[str, Tensor]] = {}
        weights = list(self._network.parameters())
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            if part == "optimiser":
                number, _, name_ = rest.partition(".")
                # The fused step goes through memory as it lies, so moments must lie as their weights do: channels last.
                like = torch.empty_like(weights[int(number)]).copy_(tensor) if tensor.dim() else tensor
                optimiser.setdefault(int(number), {})[name_] = like
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": optimiser, "param_groups": groups})
        self._losses = json.loads(told["losses"])
        return int(told["step"])


def batch(config: Config, files: list[tuple[Path, int]], step: int) -> tuple[NDArray[np.float32], list[int]]:
    """What step ``step`` learns from, made from the config alone: pictures as the network sees them, and labels."""
    epoch, at = divmod(step, max(1, len(files) // config.batch))
    order = np.random.default_rng((config.seed, epoch)).permutation(len(files))
    chosen = [files[number] for number in order[at * config.batch : (at + 1) * config.batch]]
    rng, see = np.random.default_rng((config.seed, epoch, at, 1)), preprocess(config.size)
    seen = [vary(rng, see(cut(rng, pixels(file), config)), config.augmentation) for file, _ in chosen]
    return np.stack(seen), [label for _, label in chosen]


def cut(rng: np.random.Generator, picture: Pixels, config: Config) -> Pixels:
    """A square of the picture, somewhere, at least as large as the config says."""
    height, width = picture.shape[:2]
    side = rng.uniform(config.augmentation.crop, 1) * min(height, width)
    left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
    square = Image.fromarray(picture).resize(
        (config.size, config.size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side)
    )
    return np.asarray(square)


def vary(rng: np.random.Generator, seen: NDArray[np.float32], most: Augmentation) -> NDArray[np.float32]:
    """A picture as the network sees it (3, size, size), in another light and through another camera."""
    if rng.random() < most.mirror:
        seen = seen[:, :, ::-1]
    warmth = rng.uniform(-most.warmth, most.warmth)
    gains = (1 + rng.uniform(-most.contrast, most.contrast)) * np.array([1 + warmth, 1, 1 - warmth])
    light = rng.uniform(-most.brightness, most.brightness)
    grain = rng.standard_normal(seen.shape, np.float32) * np.float32(2 * rng.uniform(0, most.noise))
    return (seen * gains.astype(np.float32)[:, None, None] + np.float32(light) + grain).astype(np.float32)


def rate(config: Config, done: float) -> float:
    """The learning rate after this share of the steps: a warm-up and a fall along a cosine."""
    if done < config.warm_up:
        return config.rate * (0.01 + 0.99 * done / config.warm_up)
    fallen = (done - config.warm_up) / (1 - config.warm_up)
    return config.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * fallen)) / 2)


def _settle(config: Config) -> None:
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(config.threads)


def _identity(config: Config, files: list[tuple[Path, int]]) -> str:
    """What must be the same for a run to be gone on with."""
    names = [f"{file.parent.name}/{file.name} {file.stat().st_size}" for file, _ in files]
    told = config.model_dump(exclude={"version", "holdout", "checkpoint_steps", "gate"})
    return json.dumps({"config": told, "pictures": names, "torch": torch.__version__})
