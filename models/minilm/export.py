"""Writes what a task made of the encoder as an artefact."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from models.artefact import Artefact, Signature, Tensor
from models.bert import export
from models.bert.export import Logits
from models.minilm.encoder import PROVENANCE, Encoder, published
from models.minilm.text import WordPieces

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
    return export.write(
        folder,
        graph,
        labels,
        signature,
        measure,
        tokenizer=published("tokenizer.json"),
        embeddings=Encoder().embeddings(),
        license="Apache-2.0",
        provenance=f"{PROVENANCE}, with adapters and a head trained on {trained_on}",
    )
