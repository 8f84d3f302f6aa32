"""Makes what a task adds to the encoder an artefact."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from models.artefact import Artefact, Signature
from models.bert import export
from models.bert.encoder import BERT, Encoder, embeddings
from models.bert.export import Logits
from models.minilm.encoder import PROVENANCE, SIZE, Weights, adapted, published, weights
from models.minilm.text import WordPieces
from models.weights import state


def encoder(trained: Weights) -> Encoder:
    """A graph that begins with the encoder, adapted; it has the layers of the head to go on with.

    Args:
        trained: adapters, and the head by names that begin with ``head.``.

    Raises:
        EncoderError: the installed encoder is not the published one.
    """
    head = {name: value for name, value in trained.items() if name.startswith("head.")}
    adapters = {name: value for name, value in trained.items() if name not in head}
    return Encoder("minilm", state(adapted(weights(), adapters) | head, "MiniLM"), BERT, SIZE)


def write(
    folder: Path,
    graph: bytes,
    signature: Signature,
    labels: Sequence[str],
    measure: Callable[[Logits, WordPieces], Mapping[str, float]],
    *,
    trained_on: str,
) -> Artefact:
    """The artefact of a task, with its metrics on the task's held-out sentences.

    Args:
        folder: ``<store>/<model>/<version>``.
        graph: encoder, adapters and head as ONNX, with one output called ``logits``.
        signature: inputs and outputs of the graph.
        labels: what the logits stand for.
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
        embeddings=embeddings(state(weights(), "MiniLM"), BERT, SIZE),
        license="Apache-2.0",
        provenance=f"{PROVENANCE}, with adapters and a head trained on {trained_on}",
    )
