"""Builds ONNX graphs node by node, without a training framework."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from models.artefact import Signature, Tensor

OPSET = 20
IR_VERSION = 9
"""The pair that ONNX 1.15 defined: old enough for every engine in use."""

TYPES = {"FP32": onnx.TensorProto.FLOAT, "INT64": onnx.TensorProto.INT64}


class Graph:
    """A graph under construction: a method that adds to it returns the name of a tensor."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: dict[str, onnx.TensorProto] = {}

    def op(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:  # noqa: ANN401 - ONNX takes many kinds
        """Apply an operator of one output."""
        output = f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        """Keep a constant; one that is there under the name stays."""
        if name not in self._tensors:
            self._tensors[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def finish(self, signature: Signature) -> bytes:
        """The model, checked, as bytes; its only output is what the last operator gave."""
        (answer,) = signature.outputs
        self._nodes[-1].output[0] = answer.name
        model = helper.make_model(
            helper.make_graph(
                self._nodes,
                self._name,
                [_value(tensor) for tensor in signature.inputs],
                [_value(answer)],
                list(self._tensors.values()),
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="modelserve",
        )
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()


def _value(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, TYPES[tensor.dtype], list(tensor.shape))
