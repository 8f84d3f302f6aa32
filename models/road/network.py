"""What both networks have in common: what goes in, what comes out, and how well it does."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.artefact import Signature, Tensor
from models.imagenet.preprocess import Preprocess
from models.pictures import Pixels
from models.road import LABELS

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Logits (batch, label) of pictures as a network takes them."""

BATCH = 16


def signature(size: int) -> Signature:
    """Of a network for pictures of this size."""
    return Signature(
        inputs=(Tensor("pixels", "FP32", ("batch", 3, size, size)),),
        outputs=(Tensor("logits", "FP32", ("batch", len(LABELS))),),
    )


def session(model: bytes | Path, threads: int = 1) -> Run:
    """A graph with one input and one output, to run here."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    given = model if isinstance(model, bytes) else str(model)
    made = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    [name] = [tensor.name for tensor in made.get_inputs()]
    return lambda pixels: np.asarray(made.run(None, {name: pixels})[0])


def answers(run: Run, preprocess: Preprocess, pictures: Iterable[Pixels]) -> NDArray[np.float32]:
    """What a graph answers to pictures, (picture, output)."""
    rows: list[NDArray[np.float32]] = []
    batch: list[NDArray[np.float32]] = []
    for pixels in pictures:
        batch.append(preprocess(pixels))
        if len(batch) == BATCH:
            rows.append(run(np.stack(batch)))
            batch.clear()
    if batch:
        rows.append(run(np.stack(batch)))
    return np.concatenate(rows)


def metrics(logits: NDArray[np.float32], labels: Sequence[int]) -> dict[str, float]:
    """How well a network does on held-out pictures.

    Returns:
        ``holdout_accuracy``; ``holdout_recall_<label>``, the share of a label's pictures that it knows;
        ``holdout_log_loss``, the mean of -ln of what it gives the right label; and how many pictures there are.
    """
    true = np.asarray(labels)
    right = logits.argmax(axis=1) == true
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    surprise = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(true)), true]
    measured = {"holdout_accuracy": float(right.mean()), "holdout_log_loss": float(surprise.mean())}
    measured |= {f"holdout_recall_{name}": float(right[true == label].mean()) for label, name in enumerate(LABELS)}
    return {name: round(value, 4) for name, value in measured.items()} | {"holdout_pictures": len(true)}
