"""ONNX's operators in PyTorch, as far as the models here need them: they take its inputs and its attributes.

A value is a tensor or, of shapes, an integer or a list of them, which may be a compiler's symbols. What an operator
asks for and is not done here is refused, never left out.
"""

# pyright: reportMissingImports=false
# torch is in the image for GPUs and in the group that trains; what serves on CPU has none.

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from onnx import TensorProto
from torch import Tensor
from torch.nn import functional

from apps.runtime.engine import EngineError

Value = Any

TYPES: Mapping[int, torch.dtype] = {
    TensorProto.BOOL: torch.bool,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT: torch.float32,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.INT8: torch.int8,
    TensorProto.UINT8: torch.uint8,
}
"""What a graph may cast to; 16 bits are for this engine to choose."""


def _only(supported: bool, what: str) -> None:
    if not supported:
        raise EngineError(f"{what} is not among what GPUs are served with.")


def _elementwise(on_tensors: Callable[..., Tensor], on_numbers: Callable[..., Value]) -> Callable[..., Value]:
    """An operator of two arguments; of shapes alone it is Python's."""

    def apply(a: Value, b: Value) -> Value:
        tensor = a if isinstance(a, Tensor) else b
        if isinstance(tensor, Tensor):
            return on_tensors(_beside(tensor, a), _beside(tensor, b))
        if isinstance(a, list) or isinstance(b, list):
            length = max(len(one) for one in (a, b) if isinstance(one, list))
            a, b = (one if isinstance(one, list) and len(one) == length else [_number(one)] * length for one in (a, b))
            return [on_numbers(x, y) for x, y in zip(a, b, strict=True)]
        return on_numbers(a, b)

    return apply


def _beside(tensor: Tensor, value: Value) -> Tensor:
    """A value as a tensor where another one is: nothing is copied to a GPU by itself."""
    return value if isinstance(value, Tensor) else torch.tensor(value, device=tensor.device)


def _number(value: Value) -> Value:
    return value[0] if isinstance(value, list) else value


def _divide(a: Tensor, b: Tensor) -> Tensor:
    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc")


def _cast(x: Value, to: int) -> Value:
    _only(to in TYPES and (isinstance(x, Tensor) or to == TensorProto.INT64), f"Cast to type {to}")
    return x.to(TYPES[to]) if isinstance(x, Tensor) else x


def _shape(x: Tensor, start: int = 0, end: int | None = None) -> list[Any]:
    return list(x.shape)[start:end]


def _squeeze(x: Value, axes: list[int] | None = None) -> Value:
    if not isinstance(x, Tensor):
        return _number(x)
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


def _unsqueeze(x: Value, axes: list[int]) -> Value:
    if not isinstance(x, Tensor):
        return [x]
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _slice(
    x: Value, starts: list[Any], ends: list[Any], axes: list[int] | None = None, steps: list[int] | None = None
) -> Value:
    slices = [slice(*one) for one in zip(starts, ends, steps or [1] * len(starts), strict=True)]
    if not isinstance(x, Tensor):
        return x[slices[0]]
    where = [slice(None)] * x.dim()
    for axis, one in zip(axes or range(len(slices)), slices, strict=True):
        where[axis] = one
    return x[tuple(where)]


def gather(x: Value, indices: Value, axis: int = 0) -> Value:
    """Rows of a table by their numbers."""
    if not isinstance(x, Tensor):
        return [x[index] for index in indices] if isinstance(indices, list) else x[indices]
    return x[(slice(None),) * (axis % x.dim()) + (_beside(x, indices),)]


def _gather_nd(x: Tensor, indices: Tensor, batch_dims: int = 0) -> Tensor:
    _only(batch_dims == 0, "GatherND with batch_dims")
    return x[indices.unbind(-1)]


def _concat(*parts: Value, axis: int) -> Value:
    tensor = next((part for part in parts if isinstance(part, Tensor)), None)
    if tensor is None:
        return [size for part in parts for size in part]
    return torch.cat([_beside(tensor, part) for part in parts], axis)


def _reshape(x: Tensor, shape: list[Any], allowzero: int = 0) -> Tensor:
    _only(isinstance(shape, list), "Reshape to a shape that depends on data")
    return x.reshape([x.shape[at] if size == 0 and not allowzero else size for at, size in enumerate(shape)])


def _expand(x: Tensor, shape: list[Any]) -> Tensor:
    _only(isinstance(shape, list), "Expand to a shape that depends on data")
    return x.expand(torch.broadcast_shapes(x.shape, shape))


def _range(start: Value, limit: Value, delta: Value, device: torch.device) -> Tensor:
    _only(not any(isinstance(one, Tensor) for one in (start, limit, delta)), "Range of what is no shape")
    return torch.arange(start, limit, delta, device=device)


def _flatten(x: Tensor, axis: int = 1) -> Tensor:
    _only(axis == 1, f"Flatten with axis {axis}")
    return x.flatten(1)


def _split(x: Tensor, sizes: list[int] | None = None, axis: int = 0, **told: int) -> tuple[Tensor, ...]:
    _only(sizes is not None and not told, "Split without sizes")
    return torch.split(x, sizes, axis)


def _gemm(a: Tensor, b: Tensor, c: Tensor | None = None, **told: Any) -> Tensor:  # noqa: ANN401 - ONNX's attributes
    _only(told.pop("alpha", 1.0) == told.pop("beta", 1.0) == 1.0, "Gemm with alpha or beta")
    a, b = a.mT if told.get("transA") else a, b.mT if told.get("transB") else b
    return functional.linear(a, b.mT, c)


def _layer_normalization(
    x: Tensor,
    scale: Tensor,
    bias: Tensor | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Tensor:
    _only(axis in (-1, x.dim() - 1) and stash_type == 1, f"LayerNormalization with axis {axis}")
    return functional.layer_norm(x, scale.shape, scale, bias, epsilon)


def _clip(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    x = x if low is None else torch.maximum(x, low.to(x.dtype))
    return x if high is None else torch.minimum(x, high.to(x.dtype))


def _reduced(run: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def apply(x: Tensor, axes: list[int] | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
        _only(axes is not None, "A reduction over all axes")
        return run(x, dim=tuple(axes or ()), keepdim=bool(keepdims))

    return apply


def _pads(x: Tensor, pads: list[int] | None, auto_pad: str, fill: float = 0.0) -> tuple[Tensor, list[int]]:
    """What the operator itself pads; where ends differ, the rest is done here."""
    _only(auto_pad in ("NOTSET", "VALID"), f"auto_pad {auto_pad}")
    rank = x.dim() - 2
    pads = pads or [0] * (2 * rank)
    begins, ends = pads[:rank], pads[rank:]
    if begins == ends:
        return x, begins
    around = [size for axis in reversed(range(rank)) for size in (begins[axis], ends[axis])]
    return functional.pad(x, around, value=fill), [0] * rank


def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    kernel_shape: list[int] | None = None,
    strides: list[int] | None = None,
    pads: list[int] | None = None,
    dilations: list[int] | None = None,
    group: int = 1,
    auto_pad: str = "NOTSET",
) -> Tensor:
    _only(x.dim() == 4, "Conv of anything but pictures")
    x, padding = _pads(x, pads, auto_pad)
    return functional.conv2d(x, weight, bias, strides or 1, padding, dilations or 1, group)


def _max_pool(
    x: Tensor,
    *,
    kernel_shape: list[int],
    strides: list[int] | None = None,
    pads: list[int] | None = None,
    dilations: list[int] | None = None,
    ceil_mode: int = 0,
    storage_order: int = 0,
    auto_pad: str = "NOTSET",
) -> Tensor:
    _only(x.dim() == 4 and not ceil_mode, "MaxPool of anything but pictures, or with ceil_mode")
    x, padding = _pads(x, pads, auto_pad, float("-inf"))
    return functional.max_pool2d(x, kernel_shape, strides or 1, padding, dilations or 1)


def _average_pool(
    x: Tensor,
    *,
    kernel_shape: list[int],
    strides: list[int] | None = None,
    pads: list[int] | None = None,
    ceil_mode: int = 0,
    auto_pad: str = "NOTSET",
) -> Tensor:
    _only(x.dim() == 4 and not ceil_mode and not any(pads or ()), "AveragePool with pads or ceil_mode")
    _only(auto_pad in ("NOTSET", "VALID"), f"auto_pad {auto_pad}")
    return functional.avg_pool2d(x, kernel_shape, strides or 1)


def _resize(x: Tensor, *, scales: list[float], **told: Any) -> Tensor:  # noqa: ANN401 - ONNX's attributes
    nearest = ("nearest", "asymmetric", "floor")
    asked = (told.get("mode"), told.get("coordinate_transformation_mode"), told.get("nearest_mode"))
    _only(asked == nearest, f"Resize by {' '.join(map(str, asked))}")
    _only(scales[:2] == [1, 1] and all(scale.is_integer() for scale in scales), f"Resize by {scales}")
    for axis, factor in enumerate(scales[2:], start=2):
        x = x.repeat_interleave(int(factor), axis)
    return x


HEAVY = frozenset({"Conv", "Gemm", "MatMul"})
"""What GPUs have units for that count in 16 bits."""

OPERATORS: Mapping[str, Callable[..., Value]] = {
    "Add": _elementwise(torch.add, operator.add),
    "And": torch.logical_and,
    "AveragePool": _average_pool,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _elementwise(_divide, operator.floordiv),
    "Equal": _elementwise(torch.eq, operator.eq),
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": gather,
    "GatherND": _gather_nd,
    "Gelu": lambda x, approximate="none": functional.gelu(x, approximate=approximate),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "GreaterOrEqual": _elementwise(torch.ge, operator.ge),
    "Identity": lambda x: x,
    "IsNaN": torch.isnan,
    "LayerNormalization": _layer_normalization,
    "MatMul": torch.matmul,
    "Max": _elementwise(torch.maximum, max),
    "MaxPool": _max_pool,
    "Mul": _elementwise(torch.mul, operator.mul),
    "Range": _range,
    "ReduceSum": _reduced(torch.sum),
    "Relu": torch.relu,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Sigmoid": torch.sigmoid,
    "Slice": _slice,
    "Softmax": lambda x, axis=-1: torch.softmax(x, axis),
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _elementwise(torch.sub, operator.sub),
    "Transpose": lambda x, perm: x.permute(perm),
    "Unsqueeze": _unsqueeze,
    "Where": torch.where,
}
