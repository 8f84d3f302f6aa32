"""Tensors of V2 as they travel: in the JSON, or raw behind it, as the binary tensor extension has them.

Raw tensors are little-endian, in the order of rows, in the order in which the JSON names them; each element of BYTES
has its length before it, in four bytes (https://github.com/kserve/open-inference-protocol, binary tensor extension).
"""

import math
import struct
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.runtime.problems import Problem
from apps.runtime.protocols import body
from models.artefact import Datatype, Tensor

NUMPY: dict[Datatype, np.dtype[Any]] = {
    "BOOL": np.dtype(bool),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
"""What each datatype is in memory; on the wire, too, but for BYTES."""

JSON_KINDS: dict[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float}}
"""What stands for an element in JSON, by numpy's kind of the datatype."""

MOST_ELEMENTS = 2**31 - 1
"""Of a tensor; what has more fits into no request. Shapes with a 0 among their sizes could otherwise ask for any."""

LENGTH = struct.Struct("<I")


class Binary:
    """What follows the JSON, taken tensor by tensor."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._taken = 0

    @property
    def left(self) -> int:
        """Bytes that nobody has taken."""
        return len(self._content) - self._taken

    def take(self, size: int, at: str) -> memoryview:
        """The next bytes.

        Raises:
            Problem: there are fewer.
        """
        if size > self.left:
            raise malformed(f"{at} has binary_data_size {size}, but only {self.left} bytes are left of the body")
        self._taken += size
        return self._content[self._taken - size : self._taken]


def malformed(what: str) -> Problem:
    """A 400 for bytes that are not what the JSON before them announces."""
    return Problem(400, "malformed-binary", f"{what}.")


def read(
    given: object,
    expected: Sequence[Tensor],
    binary: Binary | None,
    check_rows: Callable[[int], None] = lambda _: None,
) -> dict[str, NDArray[Any]]:
    """The tensors of a request or an answer, each exactly once; BYTES are arrays of objects.

    Args:
        given: ``inputs`` or ``outputs`` of the JSON.
        expected: what must be there. Axes of one name have one size; an axis of 1 may follow the only one of BYTES.
        binary: what follows the JSON; none where nothing may.
        check_rows: raises for a first axis that is too long, before anything is made of it.

    Raises:
        Problem: 422 for JSON that does not fit ``expected``, 400 for bytes that do not fit the JSON.
    """
    wanted = {tensor.name: tensor for tensor in expected}
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise body.invalid(f"inputs must be an array of tensors: {', '.join(wanted)}")
    found: dict[str, NDArray[Any]] = {}
    axes: dict[str, int] = {}
    for number, one in enumerate(given):
        at, name = f"inputs[{number}]", one.get("name")
        if not isinstance(name, str) or name not in wanted:
            raise body.invalid(f"{at}.name is {body.shown(name)}; it must be {_either(wanted)}")
        if name in found:
            raise body.invalid(f"{at}.name is {name!r}, which is there already")
        tensor = wanted[name]
        if one.get("datatype") != tensor.dtype:
            raise body.invalid(f"{at}.datatype is {body.shown(one.get('datatype'))}; it must be {tensor.dtype!r}")
        shape = _shape(one.get("shape"), tensor, at, axes)
        if shape:
            check_rows(shape[0])
        found[name] = _elements(one, tensor, math.prod(shape), binary, at).reshape(shape)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise body.invalid(f"inputs lacks {', '.join(missing)}")
    if binary and binary.left:
        raise malformed(f"{binary.left} bytes follow the last tensor")
    return found


def in_json(tensor: Tensor, array: NDArray[Any]) -> dict[str, Any]:
    """A tensor with its elements."""
    return _named(tensor, array) | {"data": array.ravel().tolist()}


def in_binary(tensor: Tensor, array: NDArray[Any]) -> tuple[dict[str, Any], bytes]:
    """A tensor without its elements, and these."""
    if tensor.dtype == "BYTES":
        content = b"".join(part for element in array.ravel().tolist() for part in _with_length(element))
    else:
        content = np.asarray(array, NUMPY[tensor.dtype]).tobytes()  # in the order of rows, however it lies in memory
    return _named(tensor, array) | {"parameters": {"binary_data_size": len(content)}}, content


def _named(tensor: Tensor, array: NDArray[Any]) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.dtype, "shape": list(array.shape)}


def _with_length(element: str | bytes) -> tuple[bytes, bytes]:
    content = element.encode() if isinstance(element, str) else element
    return LENGTH.pack(len(content)), content


def _shape(given: object, tensor: Tensor, at: str, axes: dict[str, int]) -> list[int]:
    # bool is an int to Python, not to JSON.
    if not isinstance(given, list) or not all(type(size) is int and size >= 0 for size in given):
        raise body.invalid(f"{at}.shape is no array of sizes")
    shape = given[:-1] if tensor.dtype == "BYTES" and len(given) == len(tensor.shape) + 1 and given[-1] == 1 else given
    if len(shape) != len(tensor.shape):
        allowed = ", ".join("n" if isinstance(size, str) else str(size) for size in tensor.shape)
        also = f" or [{allowed}, 1]" if tensor.dtype == "BYTES" else ""
        raise body.invalid(f"{at}.shape is {body.shown(given)}; it must be [{allowed}]{also}")
    for axis, (size, allowed) in enumerate(zip(shape, tensor.shape, strict=True)):
        agreed = axes.setdefault(allowed, size) if isinstance(allowed, str) else allowed
        if size != agreed:
            why = f"the axis {allowed!r} of the tensors before it has" if isinstance(allowed, str) else "it must have"
            raise body.invalid(f"{at}.shape is {body.shown(given)}; its axis {axis} has {size}, but {why} {agreed}")
    if math.prod(max(size, 1) for size in shape) > MOST_ELEMENTS:
        raise body.invalid(f"{at}.shape is {body.shown(given)}: more elements than any body can have")
    return shape


def _elements(one: dict[str, Any], tensor: Tensor, count: int, binary: Binary | None, at: str) -> NDArray[Any]:
    size = body.parameters(one).get("binary_data_size")
    if size is None:
        return _from_json(one.get("data"), tensor, count, at)
    if "data" in one:
        raise body.invalid(f"{at} has data and binary_data_size; give one of them")
    if type(size) is not int or size < 0:
        raise body.invalid(f"{at}.parameters.binary_data_size is {body.shown(size)}; it must be a number of bytes")
    if binary is None:
        raise body.invalid(f"{at} has binary_data_size, but there is no header {body.HEADER_LENGTH}")
    content = binary.take(size, at)
    if tensor.dtype == "BYTES":
        return _texts(content, count, at)
    kind = NUMPY[tensor.dtype]
    if size != count * kind.itemsize:
        text = f"{at}.shape has {count} elements of {tensor.dtype}, which are {count * kind.itemsize} bytes"
        raise malformed(f"{text}; binary_data_size is {size}")
    if tensor.dtype == "BOOL":
        return np.frombuffer(content, np.uint8) != 0
    return np.frombuffer(content, kind)


def _texts(content: memoryview, count: int, at: str) -> NDArray[Any]:
    array, taken = np.empty(count, object), 0
    for number in range(count):
        begin = taken + LENGTH.size
        if begin > len(content):
            raise malformed(f"{at}.shape has {count} elements, but its bytes end after {number}")
        taken = begin + LENGTH.unpack_from(content, taken)[0]
        if taken > len(content):
            raise malformed(f"{at}: element {number} has {taken - begin} bytes, but {len(content) - begin} are left")
        array[number] = bytes(content[begin:taken])
    if taken != len(content):
        raise malformed(f"{at}: {len(content) - taken} bytes follow its last element")
    return array


def _from_json(data: object, tensor: Tensor, count: int, at: str) -> NDArray[Any]:
    if not isinstance(data, list):
        raise body.invalid(f"{at}.data is no array")
    while data and isinstance(data[0], list):
        if not all(isinstance(row, list) for row in data):
            raise body.invalid(f"{at}.data has arrays beside elements")
        data = list(chain.from_iterable(data))
    if len(data) != count:
        raise body.invalid(f"{at}.shape has {count} elements, but data has {len(data)} elements")
    kind = NUMPY[tensor.dtype]
    if tensor.dtype == "BYTES":
        array = np.empty(count, kind)
        array[:] = data
        return array
    # numpy alone would take "1" for a number and cut 1.5 down to an integer.
    found = set(map(type, data)) - JSON_KINDS[kind.kind]
    if found:
        raise body.invalid(f"{at}.data has {found.pop().__name__} among its elements, which are {tensor.dtype}")
    try:
        with np.errstate(over="ignore"):
            array = np.array(data, kind)
    except OverflowError:
        raise body.invalid(f"{at}.data has a number that {tensor.dtype} cannot hold") from None
    if kind.kind == "f" and not np.isfinite(array).all():
        raise body.invalid(f"{at}.data has a number that {tensor.dtype} cannot hold")
    return array


def _either(names: dict[str, Tensor]) -> str:
    return " or ".join(map(repr, names))
