"""Makes the ner artefact: the published encoder with the adapters and the head that the project trained."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import helper
from safetensors.numpy import load_file

from models.artefact import Artefact, Signature, Tensor
from models.minilm.encoder import LAYERS, PROVENANCE, Encoder, published
from models.minilm.text import WordPieces
from models.ner import LABELS, WEIGHTS
from models.ner.network import SHAPES, f1, holdout, logits, named

SIGNATURE = Signature(
    (
        *(Tensor(name, "INT64", ("batch", "sequence")) for name in ("input_ids", "attention_mask", "token_type_ids")),
        Tensor("shapes", "FP32", ("batch", "sequence", SHAPES)),
    ),
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
    """The artefact in ``<store>/minilm_ner/1.0.0/``, measured on the held-out sentences.

    Raises:
        EncoderError: the installed encoder is not the published one.
        ArtefactError: the folder exists already.
    """
    graph, tokenizer = network(), published("tokenizer.json")
    return Artefact.write(
        folder,
        {"model.onnx": graph, "tokenizer.json": tokenizer, "labels.txt": ("\n".join(LABELS) + "\n").encode()},
        format="onnx",
        license="Apache-2.0",
        provenance=f"{PROVENANCE}, with adapters and a head trained on sentences composed for it",
        made_by="python -m models.fetch",
        signature=SIGNATURE,
        preprocess={"tokenizer": "tokenizer.json"},
        labels="labels.txt",
        metrics=measure(graph, tokenizer),
    )


def measure(graph: bytes, tokenizer: bytes) -> dict[str, Any]:
    """Precision, recall and F1 of whole names on the held-out sentences, and how many of both there are."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    pieces, examples = WordPieces.of(tokenizer), holdout()
    texts = [example.text for example in examples]
    split = [pieces.split(text) for text in texts]
    scores = logits(lambda inputs: np.asarray(session.run(["logits"], dict(inputs))[0]), pieces, texts, split)
    quality = f1(examples, [named(*one) for one in zip(texts, split, scores, strict=True)])
    names = sum(len(example.entities) for example in examples)
    return {f"holdout_{key}": value for key, value in quality.items()} | {
        "holdout_sentences": len(examples),
        "holdout_names": names,
    }
