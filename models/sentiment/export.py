"""Makes the sentiment artefact: the published encoder with the adapters and the head that the project trained."""

from pathlib import Path

import numpy as np
from onnx import helper
from safetensors.numpy import load_file

from models.artefact import Artefact, Signature, Tensor
from models.bert.export import Logits
from models.minilm import export
from models.minilm.encoder import LAYERS, Encoder
from models.minilm.text import WordPieces
from models.sentiment import LABELS, WEIGHTS
from models.sentiment.network import holdout, probabilities

SIGNATURE = Signature(export.INPUTS, (Tensor("logits", "FP32", ("batch", len(LABELS))),))


def network() -> bytes:
    """Encoder, adapters and head as one ONNX graph.

    Raises:
        EncoderError: the installed encoder is not the published one.
    """
    weights = {name: value.astype(np.float32) for name, value in load_file(WEIGHTS).items()}
    positive, bias = weights.pop("head.weight"), weights.pop("head.bias")[0]
    encoder = Encoder()
    encoder.adapt(weights)
    # The one logit of training, from the middle: half up for positive, half down for negative.
    matrix = encoder.constant("head.weight", np.stack([-positive / 2, positive / 2], axis=1))
    shift = encoder.constant("head.bias", np.array([-bias / 2, bias / 2], np.float32))
    last = encoder.constant("head.last_axis", np.array([2], np.int64))
    sequence = encoder.constant("head.sequence_axis", np.array([1], np.int64))
    nodes = [
        helper.make_node("Cast", ["attention_mask"], ["head.inside"], to=1),
        helper.make_node("Unsqueeze", ["head.inside", last], ["head.mask"]),
        helper.make_node("Mul", [encoder.state(LAYERS), "head.mask"], ["head.masked"]),
        helper.make_node("ReduceSum", ["head.masked", sequence], ["head.sum"], keepdims=0),
        helper.make_node("ReduceSum", ["head.mask", sequence], ["head.length"], keepdims=0),
        helper.make_node("Div", ["head.sum", "head.length"], ["head.mean"]),
        helper.make_node("Gemm", ["head.mean", matrix, shift], ["logits"]),
    ]
    return encoder.finish(nodes, {"logits": ["batch", len(LABELS)]})


def make(folder: Path) -> Artefact:
    """The artefact in ``<store>/minilm_sentiment/1.1.0/``, measured on the held-out sentences.

    Raises:
        EncoderError: the installed encoder is not the published one.
        ArtefactError: the folder exists already.
    """
    return export.write(folder, network(), LABELS, SIGNATURE, measure, trained_on="sentences written for it")


def measure(run: Logits, pieces: WordPieces) -> dict[str, float]:
    """Accuracy on the held-out sentences, and how many there are."""
    texts, labels = holdout()
    found = probabilities(run, pieces, [pieces.split(text) for text in texts])
    right = sum(LABELS[int(row.argmax())] == label for row, label in zip(found, labels, strict=True))
    return {"holdout_accuracy": round(right / len(texts), 4), "holdout_sentences": len(texts)}
