"""Makes the sentiment artefact: the published encoder with the adapters and the head that the project trained."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from models.artefact import Artefact, Signature, Tensor
from models.bert.export import Logits
from models.minilm import export
from models.minilm.text import WordPieces
from models.sentiment import LABELS, WEIGHTS
from models.sentiment.network import holdout, probabilities


def network() -> tuple[bytes, Signature]:
    """Encoder, adapters and head as ONNX: the mean of a text's hidden states, and a logit of it for each label.

    Raises:
        EncoderError: the installed encoder is not the published one.
    """
    weights = {name: value.astype(np.float32) for name, value in load_file(WEIGHTS).items()}
    positive, bias = weights["head.weight"], weights["head.bias"][0]
    encoder = export.encoder(weights)
    graph = encoder.graph
    last, sequence = (graph.constant(f"axis{axis}", np.array([axis], np.int64)) for axis in (2, 1))
    mask = graph.op("Unsqueeze", [graph.op("Cast", ["attention_mask"], to=1), last])
    total = graph.op("ReduceSum", [graph.op("Mul", [encoder.hidden, mask]), sequence], keepdims=0)
    mean = graph.op("Div", [total, graph.op("ReduceSum", [mask, sequence], keepdims=0)])
    # The one logit of training, from the middle: half up for positive, half down for negative.
    matrix = graph.constant("head.weight", np.stack([-positive / 2, positive / 2], axis=1))
    graph.op("Gemm", [mean, matrix, graph.constant("head.bias", np.array([-bias / 2, bias / 2], np.float32))])
    signature = Signature(encoder.inputs, (Tensor("logits", "FP32", ("batch", len(LABELS))),))
    return graph.finish(signature), signature


def make(folder: Path) -> Artefact:
    """The artefact in ``<store>/minilm_sentiment/1.2.0/``, measured on the held-out sentences.

    Raises:
        EncoderError: the installed encoder is not the published one.
        ArtefactError: the folder exists already.
    """
    return export.write(folder, *network(), LABELS, measure, trained_on="sentences written for it")


def measure(run: Logits, pieces: WordPieces) -> dict[str, float]:
    """Accuracy on the held-out sentences, and how many there are."""
    texts, labels = holdout()
    found = probabilities(run, pieces, [pieces.split(text) for text in texts])
    right = sum(LABELS[int(row.argmax())] == label for row, label in zip(found, labels, strict=True))
    return {"holdout_accuracy": round(right / len(texts), 4), "holdout_sentences": len(texts)}
