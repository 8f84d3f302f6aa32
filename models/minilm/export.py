"""Writes what a task made of the encoder as an artefact."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.artefact import Artefact, Signature, Tensor
from models.minilm.encoder import PROVENANCE, published
from models.minilm.text import WordPieces

Logits = Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]
"""The graph's answer to its inputs by name."""

INPUTS = tuple(
    Tensor(name, "INT64", ("batch", "sequence")) for name in ("input_ids", "attention_mask", "token_type_ids")
)
"""What every task's graph takes."""


def write(
    folder: Path,
    graph: bytes,
    labels: Sequence[str],
    signature: Signature,
    measure: Callable[[Logits, WordPieces], Mapping[str, float]],
    *,
    trained_on: str,
) -> Artefact:
    """The artefact of a task, with its metrics on the task's held-out sentences.

    Args:
        folder: ``<store>/<model>/<version>``.
        graph: encoder, adapters and head as ONNX, with one output called ``logits``.
        labels: what the logits stand for.
        signature: inputs and outputs of the graph.
        measure: the metrics, from the graph and the tokenizer.
        trained_on: what the adapters and the head learned from.

    Raises:
        EncoderError: the installed encoder is not the published one.
        ArtefactError: the folder exists already.
    """
    tokenizer = published("tokenizer.json")
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    def logits(inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        return np.asarray(session.run(["logits"], dict(inputs))[0])

    return Artefact.write(
        folder,
        {"model.onnx": graph, "tokenizer.json": tokenizer, "labels.txt": ("\n".join(labels) + "\n").encode()},
        format="onnx",
        license="Apache-2.0",
        provenance=f"{PROVENANCE}, with adapters and a head trained on {trained_on}",
        made_by="python -m models.fetch",
        signature=signature,
        preprocess={"tokenizer": "tokenizer.json"},
        labels="labels.txt",
        metrics=dict(measure(logits, WordPieces.of(tokenizer))),
    )
