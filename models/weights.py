"""Where a network's weights come from: a published file, checked by name and shape, or a random generator."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

Weights = npt.NDArray[np.float32]
Source = Callable[[str, tuple[int, ...]], Weights]
"""Gives the tensor of a name and a shape: from a file, or random."""


class WeightsError(Exception):
    """Weights that are not of the network they are given for."""


def state(tensors: Mapping[str, Weights], network: str) -> Source:
    """A source of published weights that refuses what is missing or of another shape."""

    def take(name: str, shape: tuple[int, ...]) -> Weights:
        if name not in tensors:
            raise WeightsError(
                f"The weights have no {name} {shape}: they are not {network}'s, or not all of them.\n"
                f"  Give the file that {network} was published with."
            )
        found = tensors[name]
        if found.shape != shape:
            raise WeightsError(
                f"{name} is {found.shape}, but {shape} in {network}: the weights are of another network.\n"
                f"  Give the file that {network} was published with."
            )
        return np.asarray(found, np.float32)

    return take


def published(file: Path, network: str) -> Source:
    """A published ``.safetensors`` file.

    Raises:
        WeightsError: it is none, or cut short.
    """
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file}: not a whole safetensors file: {error}.\n  Fetch it again.") from error
    return state({_modern(name): tensor for name, tensor in tensors.items()}, network)


def _modern(name: str) -> str:
    """Checkpoints that began in TensorFlow name the parts of a normalisation as papers do."""
    layer, dot, part = name.rpartition(".")
    return layer + dot + {"gamma": "weight", "beta": "bias"}.get(part, part)


def he_normal(seed: int) -> Source:
    """A source of random weights of a realistic size (He et al., arXiv 1502.01852): for benchmarks, never to answer."""
    random = np.random.default_rng(seed)

    def take(name: str, shape: tuple[int, ...]) -> Weights:
        if len(shape) > 1:
            fan_in = float(np.prod(shape[1:]))
            return random.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
        return (np.ones if name.endswith(("running_var", ".weight")) else np.zeros)(shape, np.float32)

    return take
