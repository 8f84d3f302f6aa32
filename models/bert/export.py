"""Writes what reads word pieces as an artefact, measured on its held-out sentences."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.artefact import Artefact, Signature
from models.bert import embedding
from models.minilm.text import WordPieces
from models.weights import WeightsError

Logits = Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]
"""The graph's answer to its inputs by name; it ignores what it does not take."""


def write(
    folder: Path,
    graph: bytes,
    labels: Sequence[str],
    signature: Signature,
    measure: Callable[[Logits, WordPieces], Mapping[str, float]],
    *,
    tokenizer: bytes,
    embeddings: NDArray[np.float32],
    license: str,
    provenance: str,
) -> Artefact:
    """The artefact of a network.

    Args:
        folder: ``<store>/<model>/<version>``.
        graph: the network as ONNX, with one output called ``logits``.
        labels: what the logits stand for.
        signature: inputs and outputs of the graph.
        measure: the metrics, from the graph and the tokenizer.
        tokenizer: ``tokenizer.json``.
        embeddings: of its word pieces, (vocabulary, width).
        license: of the weights.
        provenance: where the weights come from and what they learned from.

    Raises:
        WeightsError: the tokenizer has other word pieces than the network has embeddings for.
        ArtefactError: the folder exists already.
    """
    pieces = WordPieces.of(tokenizer)
    if pieces.count != len(embeddings):
        raise WeightsError(
            f"The vocabulary has {pieces.count} word pieces, but the weights have embeddings of {len(embeddings)}: "
            "they do not belong together.\n  Give both as they were published with each other."
        )
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    takes = [tensor.name for tensor in signature.inputs]

    def logits(inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        return np.asarray(session.run(["logits"], {name: inputs[name] for name in takes})[0])

    return Artefact.write(
        folder,
        {
            "model.onnx": graph,
            "tokenizer.json": tokenizer,
            "labels.txt": ("\n".join(labels) + "\n").encode(),
            embedding.FILE: embedding.directions(embeddings),
        },
        format="onnx",
        license=license,
        provenance=provenance,
        made_by="python -m models.fetch",
        signature=signature,
        preprocess={"tokenizer": "tokenizer.json", "embedding": embedding.FILE},
        labels="labels.txt",
        metrics=dict(measure(logits, pieces)),
    )
