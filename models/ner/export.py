"""Makes the ner artefact: the published encoder with the adapters and the head that the project trained."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from models.artefact import Artefact, Signature, Tensor
from models.bert.export import Logits
from models.minilm import export
from models.minilm.text import WordPieces
from models.ner import LABELS, WEIGHTS
from models.ner.network import SHAPES, f1, holdout, logits, named


def network() -> tuple[bytes, Signature]:
    """Encoder, adapters and head as ONNX: logits of each piece, from its hidden state and the shape of its word.

    Raises:
        EncoderError: the installed encoder is not the published one.
    """
    weights = {name: value.astype(np.float32) for name, value in load_file(WEIGHTS).items()}
    hidden, seen = weights["head.narrow.weight"].shape
    encoder = export.encoder(weights)
    graph = encoder.graph
    both = graph.op("Concat", [encoder.hidden, "shapes"], axis=2)
    narrow = encoder.linear(both, "head.narrow", seen, hidden)
    encoder.linear(graph.op("Relu", [narrow]), "head.out", hidden, len(LABELS))
    signature = Signature(
        (*encoder.inputs, Tensor("shapes", "FP32", ("batch", "sequence", SHAPES))),
        (Tensor("logits", "FP32", ("batch", "sequence", len(LABELS))),),
    )
    return graph.finish(signature), signature


def make(folder: Path) -> Artefact:
    """The artefact in ``<store>/minilm_ner/1.2.0/``, measured on the held-out sentences.

    Raises:
        EncoderError: the installed encoder is not the published one.
        ArtefactError: the folder exists already.
    """
    return export.write(folder, *network(), LABELS, measure, trained_on="sentences composed for it")


def measure(run: Logits, pieces: WordPieces) -> dict[str, float]:
    """Precision, recall and F1 of whole names on the held-out sentences, and how many of both there are."""
    examples = holdout()
    texts = [example.text for example in examples]
    split = [pieces.split(text) for text in texts]
    scores = logits(run, pieces, texts, split)
    quality = f1(examples, [named(*one) for one in zip(texts, split, scores, strict=True)])
    names = sum(len(example.entities) for example in examples)
    return {f"holdout_{key}": value for key, value in quality.items()} | {
        "holdout_sentences": len(examples),
        "holdout_names": names,
    }
