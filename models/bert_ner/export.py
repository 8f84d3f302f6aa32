"""Makes the BERT NER artefact from the published safetensors."""

from pathlib import Path

from models.artefact import Artefact, Signature, Tensor
from models.bert import export, vocabulary
from models.bert.encoder import BERT, Encoder, Size, embeddings
from models.bert_ner import NAME, PUBLISHED
from models.ner import LABELS
from models.ner.export import measure
from models.weights import Source, published

BASE = Size(layers=12, heads=12, width=768, inner=3072, vocabulary=28996, positions=512)
"""BERT base, cased (arXiv 1810.04805)."""


def network(weights: Source, size: Size = BASE) -> tuple[bytes, Signature]:
    """The classifier of pieces as ONNX: a logit for each label at each piece.

    Raises:
        WeightsError: the weights are of another network.
    """
    encoder = Encoder(NAME, weights, BERT, size)
    # The published order of labels is that of the network trained here.
    encoder.linear(encoder.hidden, "classifier", size.width, len(LABELS))
    signature = Signature(encoder.inputs, (Tensor("logits", "FP32", ("batch", "sequence", len(LABELS))),))
    return encoder.graph.finish(signature), signature


def make(folder: Path, files: Path, source: str) -> Artefact:
    """The artefact in ``<store>/bert_ner/1.0.0/``, measured on the held-out sentences.

    Args:
        folder: where.
        files: the folder with what was published.
        source: where that came from, for the provenance.

    Raises:
        WeightsError: a file is not what was published.
        ArtefactError: the folder exists already.
    """
    file, words = (files / name for name in PUBLISHED.files)
    weights = published(file, "BERT NER")
    graph, signature = network(weights)
    return export.write(
        folder,
        graph,
        LABELS,
        signature,
        measure,
        tokenizer=vocabulary.tokenizer(words, lowercase=False),
        embeddings=embeddings(weights, BERT, BASE),
        license="MIT",
        provenance=f"{source}, fine-tuned on CoNLL-2003",
    )
