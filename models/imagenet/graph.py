"""Builds the ONNX graph of a convolutional classifier from named weights."""

from pathlib import Path

import numpy as np

from models import graph
from models.artefact import Signature, Tensor
from models.weights import Source

CLASSES = 1000
LABELS = Path(__file__).parent / "labels.txt"


class Graph(graph.Graph):
    """A graph under construction: each method adds a layer to a tensor and returns the name of its output."""

    def __init__(self, name: str, weights: Source, size: int) -> None:
        super().__init__(name)
        self._weights, self._size = weights, size
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
        return self.op(
            "Conv",
            [x, self.constant(f"{weight}.weight", kernel), self.constant(f"{weight}.bias", bias)],
            kernel_shape=list(shape[2:]),
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=groups,
        )

    def relu(self, x: str) -> str:
        """max(x, 0)."""
        return self.op("Relu", [x])

    def relu6(self, x: str) -> str:
        """min(max(x, 0), 6)."""
        return self.op("Clip", [x, self.constant("0", np.float32(0)), self.constant("6", np.float32(6))])

    def add(self, x: str, y: str) -> str:
        """x + y, the end of a residual block."""
        return self.op("Add", [x, y])

    def max_pool(self, x: str) -> str:
        """The largest of 3 by 3, every second pixel, padded by one."""
        return self.op("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])

    def classify(self, x: str, layer: str, channels: int) -> bytes:
        """Mean over the pixels and a linear layer; the finished model, checked, as bytes."""
        pooled = self.op("Flatten", [self.op("GlobalAveragePool", [x])], axis=1)
        weight = self.constant(f"{layer}.weight", self._weights(f"{layer}.weight", (CLASSES, channels)))
        bias = self.constant(f"{layer}.bias", self._weights(f"{layer}.bias", (CLASSES,)))
        self.op("Gemm", [pooled, weight, bias], transB=1)
        return self.finish(signature(self._size))


def signature(size: int) -> Signature:
    """What every classifier built here takes and gives."""
    return Signature(
        inputs=(Tensor("pixels", "FP32", ("batch", 3, size, size)),),
        outputs=(Tensor("logits", "FP32", ("batch", CLASSES)),),
    )


def files(model: bytes) -> dict[str, bytes | Path]:
    """What lies in the artefact's folder."""
    return {"model.onnx": model, "labels.txt": LABELS}
