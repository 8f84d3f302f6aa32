"""Builds the ONNX graph of a convolutional classifier from named weights, without a training framework."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.artefact import Signature, Tensor
from models.imagenet.weights import Source

OPSET = 20
IR_VERSION = 9
"""The pair that ONNX 1.15 defined: old enough for every engine in use."""

CLASSES = 1000
LABELS = Path(__file__).parent / "labels.txt"


class Graph:
    """A graph under construction: each method adds a layer to a tensor and returns the name of its output."""

    def __init__(self, name: str, weights: Source, size: int) -> None:
        self._name, self._weights, self._size = name, weights, size
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: list[onnx.TensorProto] = []
        self.pixels = "pixels"

    def conv(
        self,
        x: str,
        weight: str,
        norm: str,
        shape: tuple[int, int, int, int],
        *,
        epsilon: float,
        pads: tuple[int, int] = (0, 0),
        stride: int = 1,
        groups: int = 1,
    ) -> str:
        """A convolution and the batch normalisation after it, folded into one.

        Args:
            x: input tensor.
            weight: name of the convolution, which has no bias.
            norm: name of the normalisation.
            shape: out, in / groups, height, width.
            epsilon: of the normalisation.
            pads: before and after, in both directions.
            stride: in both directions.
            groups: channels in, for a depthwise convolution.
        """
        out = shape[:1]
        gamma, beta = self._weights(f"{norm}.weight", out), self._weights(f"{norm}.bias", out)
        mean, variance = self._weights(f"{norm}.running_mean", out), self._weights(f"{norm}.running_var", out)
        # In double precision, as the folded weights are stored once and multiplied often.
        scale = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
        kernel = (self._weights(f"{weight}.weight", shape) * scale[:, None, None, None]).astype(np.float32)
        bias = (beta - mean * scale).astype(np.float32)
        before, after = pads
        return self._add(
            "Conv",
            [x, self._constant(f"{weight}.weight", kernel), self._constant(f"{weight}.bias", bias)],
            kernel_shape=list(shape[2:]),
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=groups,
        )

    def relu(self, x: str) -> str:
        """max(x, 0)."""
        return self._add("Relu", [x])

    def relu6(self, x: str) -> str:
        """min(max(x, 0), 6)."""
        return self._add("Clip", [x, self._constant("0", np.float32(0)), self._constant("6", np.float32(6))])

    def add(self, x: str, y: str) -> str:
        """x + y, the end of a residual block."""
        return self._add("Add", [x, y])

    def max_pool(self, x: str) -> str:
        """The largest of 3 by 3, every second pixel, padded by one."""
        return self._add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])

    def classify(self, x: str, layer: str, channels: int) -> bytes:
        """Mean over the pixels and a linear layer; the finished model, checked, as bytes."""
        pooled = self._add("Flatten", [self._add("GlobalAveragePool", [x])], axis=1)
        weight = self._constant(f"{layer}.weight", self._weights(f"{layer}.weight", (CLASSES, channels)))
        bias = self._constant(f"{layer}.bias", self._weights(f"{layer}.bias", (CLASSES,)))
        self._nodes.append(helper.make_node("Gemm", [pooled, weight, bias], ["logits"], transB=1))
        (pixels,), (logits,) = signature(self._size).inputs, signature(self._size).outputs
        model = helper.make_model(
            helper.make_graph(self._nodes, self._name, [_value(pixels)], [_value(logits)], self._tensors),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="modelserve",
        )
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()

    def _add(self, operator: str, inputs: list[str], **attributes: Any) -> str:  # noqa: ANN401 - ONNX takes many kinds
        output = f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def _constant(self, name: str, value: np.ndarray | np.float32) -> str:
        if all(tensor.name != name for tensor in self._tensors):
            self._tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def signature(size: int) -> Signature:
    """What every classifier built here takes and gives."""
    return Signature(
        inputs=(Tensor("pixels", "FP32", ("batch", 3, size, size)),),
        outputs=(Tensor("logits", "FP32", ("batch", CLASSES)),),
    )


def files(model: bytes) -> dict[str, bytes | Path]:
    """What lies in the artefact's folder."""
    return {"model.onnx": model, "labels.txt": LABELS}


def _value(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, list(tensor.shape))
