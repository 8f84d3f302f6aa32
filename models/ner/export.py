"""Makes the ner artefact: the published encoder with the adapters and the head that the project trained."""

from pathlib import Path

import numpy as np
from onnx import helper
from safetensors.numpy import load_file

from models.artefact import Artefact, Signature, Tensor
from models.bert.export import Logits
from models.minilm import export
from models.minilm.encoder import LAYERS, Encoder
from models.minilm.text import WordPieces
from models.ner import LABELS, WEIGHTS
from models.ner.network import SHAPES, f1, holdout, logits, named

SIGNATURE = Signature(
    (*export.INPUTS, Tensor("shapes", "FP32", ("batch", "sequence", SHAPES))),
    (Tensor("logits", "FP32", ("batch", "sequence", len(LABELS))),),
)


def network() -> bytes:
    """Encoder, adapters and head as one ONNX graph.

    Raises:
        EncoderError: the installed encoder is not the published one.
    """
    weights = {name: value.astype(np.float32) for name, value in load_file(WEIGHTS).items()}
    head = {name: weights.pop(name) for name in sorted(weights) if name.startswith("head.")}
    encoder = Encoder()
    encoder.adapt(weights)
    for name, value in head.items():
        encoder.constant(name, value.T)
    nodes = [
        helper.make_node("Concat", [encoder.state(LAYERS), "shapes"], ["head.seen"], axis=2),
        helper.make_node("MatMul", ["head.seen", "head.narrow.weight"], ["head.product"]),
        helper.make_node("Add", ["head.product", "head.narrow.bias"], ["head.sum"]),
        helper.make_node("Relu", ["head.sum"], ["head.hidden"]),
        helper.make_node("MatMul", ["head.hidden", "head.out.weight"], ["head.answer"]),
        helper.make_node("Add", ["head.answer", "head.out.bias"], ["logits"]),
    ]
    return encoder.finish(nodes, {"logits": ["batch", "sequence", len(LABELS)]}, {"shapes": SHAPES})


def make(folder: Path) -> Artefact:
    """The artefact in ``<store>/minilm_ner/1.1.0/``, measured on the held-out sentences.

    Raises:
        EncoderError: the installed encoder is not the published one.
        ArtefactError: the folder exists already.
    """
    return export.write(folder, network(), LABELS, SIGNATURE, measure, trained_on="sentences composed for it")


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
