"""An ONNX graph as a module of PyTorch that a compiler can follow for any batch and any length.

What a graph computes of shapes stays Python's numbers, and only what it computes of data are tensors. Converters keep
both in tensors: then every shape is fetched back from the GPU, and the compiler has to stop wherever one is.
"""

# pyright: reportMissingImports=false
# torch is in the image for GPUs and in the group that trains; what serves on CPU has none.

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from apps.runtime.engine import EngineError
from apps.runtime.torch_operators import HEAVY, OPERATORS, Value, gather

SHAPE_ELEMENTS = 16
"""Integers in a constant that is taken for a shape, at most; a longer one is data."""


@dataclass(frozen=True)
class _Step:
    run: Callable[..., Value]
    attributes: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    heavy: bool

    def apply(self, values: dict[str, Value]) -> None:
        """Run on values by name, and put what comes out among them."""
        made = self.run(*[values[name] if name else None for name in self.inputs], **self.attributes)
        values.update(zip(self.outputs, made if isinstance(made, tuple) else (made,), strict=True))


class TorchGraph(nn.Module):
    """The graph's operators, one after the other; tensors in and out in the graph's order.

    Attributes:
        takes: names of its inputs.
    """

    takes: list[str]

    def __init__(self, graph: onnx.GraphProto, device: torch.device) -> None:
        """Take a graph over; what depends on no input is computed now, on the device.

        Raises:
            EngineError: an operator, or what it asks for, is not among those here.
        """
        super().__init__()
        known = {tensor.name: _constant(tensor, device) for tensor in graph.initializer}
        self._steps: list[_Step] = []
        for node in graph.node:
            if node.op_type == "Constant":
                known[node.output[0]] = _constant(helper.get_node_attr_value(node, "value"), device)
                continue
            step = _step(node, known, device)
            if all(name in known for name in step.inputs if name):
                step.apply(known)
            else:
                self._steps.append(step)
        self.takes = [value.name for value in graph.input if value.name not in known]
        self._gives = [value.name for value in graph.output]
        self._keep_answers_exact(device)
        used = {name: known[name] for step in self._steps for name in step.inputs if name in known}
        self._shapes = {name: value for name, value in used.items() if not isinstance(value, Tensor)}
        self._places: dict[str, str] = {}
        for name in used.keys() - self._shapes.keys():
            self._places[name] = f"constant_{len(self._places)}"
            self.register_buffer(self._places[name], used[name])

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """The outputs; floating-point ones in 32 bits, whatever was computed in."""
        values: dict[str, Value] = {name: getattr(self, place) for name, place in self._places.items()}
        values |= self._shapes | dict(zip(self.takes, given, strict=True))
        for step in self._steps:
            step.apply(values)
        outputs = [values[name] for name in self._gives]
        return tuple(output.float() if output.is_floating_point() else output for output in outputs)

    def _keep_answers_exact(self, device: torch.device) -> None:
        """Have the last heavy operators before the outputs run in 32 bits.

        They cost little, and in bfloat16's eight digits neighbouring scores would be the same, places pixels off.
        """
        wanted = set(self._gives)
        for number, step in reversed([*enumerate(self._steps)]):
            if not wanted.intersection(step.outputs):
                continue
            if step.heavy:
                self._steps[number] = replace(step, run=_exactly(step.run, device))
            else:
                wanted.update(step.inputs)

    def tables(self) -> Iterator[tuple[str, int]]:
        """Inputs that are numbers of rows in a table, each with the count of these."""
        for step in self._steps:
            if step.run is gather and step.inputs[0] in self._places and step.inputs[1] in self.takes:
                table: Tensor = getattr(self, self._places[step.inputs[0]])
                yield step.inputs[1], table.shape[step.attributes.get("axis", 0)]


def _constant(tensor: onnx.TensorProto, device: torch.device) -> Value:
    array = numpy_helper.to_array(tensor)
    if array.dtype == np.int64 and array.ndim < 2 and array.size <= SHAPE_ELEMENTS:
        return array.tolist()
    return torch.tensor(array, device=device)


def _exactly(run: Callable[..., Value], device: torch.device) -> Callable[..., Value]:
    def apply(*inputs: Value, **attributes: Any) -> Value:  # noqa: ANN401 - ONNX's attributes
        with torch.autocast(device.type, enabled=False):
            return run(*[one.float() if isinstance(one, Tensor) else one for one in inputs], **attributes)

    return apply


def _step(node: onnx.NodeProto, known: dict[str, Value], device: torch.device) -> _Step:
    if node.domain not in {"", "ai.onnx"} or node.op_type not in OPERATORS:
        there = ", ".join(sorted(OPERATORS))
        raise EngineError(f"{node.op_type} is not among the operators that GPUs are served with: {there}.")
    told = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    attributes = {name: value.decode() if isinstance(value, bytes) else value for name, value in told.items()}
    inputs = tuple(node.input)
    if node.op_type == "Range":
        attributes["device"] = device
    if node.op_type == "Resize":
        if len(inputs) != 3 or inputs[2] not in known:
            raise EngineError("Resize by what is not constant is not among what GPUs are served with.")
        inputs, attributes["scales"] = inputs[:1], known[inputs[2]].tolist()
    return _Step(OPERATORS[node.op_type], attributes, inputs, tuple(node.output), node.op_type in HEAVY)
