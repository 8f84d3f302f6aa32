"""Makes the DistilBERT artefact from the published safetensors."""

from pathlib import Path

import numpy as np

from models.artefact import Artefact, Signature, Tensor
from models.bert import export, vocabulary
from models.bert.encoder import DISTILBERT, Encoder, Size, embeddings
from models.distilbert_sst2 import NAME, PUBLISHED
from models.sentiment import LABELS
from models.sentiment.export import measure
from models.weights import Source, published

BASE = Size(layers=6, heads=12, width=768, inner=3072, vocabulary=30522, positions=512)
"""DistilBERT base (arXiv 1910.01108)."""


def network(weights: Source, size: Size = BASE) -> tuple[bytes, Signature]:
    """The classifier as ONNX: what stands at the first piece, through a layer, to a logit for each label.

    Raises:
        WeightsError: the weights are of another network.
    """
    encoder = Encoder(NAME, weights, DISTILBERT, size)
    graph = encoder.graph
    first = graph.op("Gather", [encoder.hidden, graph.constant("first", np.int64(0))], axis=1)
    x = graph.op("Relu", [encoder.linear(first, "pre_classifier", size.width, size.width)])
    encoder.linear(x, "classifier", size.width, len(LABELS))
    signature = Signature(encoder.inputs, (Tensor("logits", "FP32", ("batch", len(LABELS))),))
    return graph.finish(signature), signature


def make(folder: Path, files: Path, source: str) -> Artefact:
    """The artefact in ``<store>/distilbert_sst2/1.0.0/``, measured on the held-out sentences.

    Args:
        folder: where.
        files: the folder with what was published.
        source: where that came from, for the provenance.

    Raises:
        WeightsError: a file is not what was published.
        ArtefactError: the folder exists already.
    """
    file, words = (files / name for name in PUBLISHED.files)
    weights = published(file, "DistilBERT")
    graph, signature = network(weights)
    return export.write(
        folder,
        graph,
        LABELS,
        signature,
        measure,
        tokenizer=vocabulary.tokenizer(words, lowercase=True),
        embeddings=embeddings(weights, DISTILBERT, BASE),
        license="Apache-2.0",
        provenance=f"{source}, fine-tuned on SST-2",
    )
