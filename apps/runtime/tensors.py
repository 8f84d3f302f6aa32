"""Serves a graph by the tensors of its own signature: callers send what it takes, and get what it answers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.runtime.engine import Refused, Session
from apps.runtime.handler import NoParameters
from apps.runtime.problems import Problem
from apps.runtime.protocols.tensors import NUMPY, read
from models.artefact import Artefact, Tensor

Row = dict[str, NDArray[Any]]
"""One instance: a row of each tensor by its name, without the batch axis."""


class TensorHandler:
    """The first axis of every tensor is the batch; other free axes are as long as a caller likes, up to a limit.

    Rows of one shape share a run. Rows are not padded to share one: what may be filled up, and with what, only those
    know who know what the tensors mean.
    """

    parameters = NoParameters
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def __init__(self, artefact: Artefact, folder: Path, session: Session, max_axis: int) -> None:
        for tensor in (*artefact.signature.inputs, *artefact.signature.outputs):
            if tensor.dtype == "BYTES":
                raise ValueError(f"{folder}: {tensor.name} is BYTES; a graph of numbers can be served by its tensors")
            if not tensor.shape or not (isinstance(tensor.shape[0], str) or session.batch == 1):
                raise ValueError(f"{folder}: {tensor.name} has no batch axis; export it with one")
        self.inputs = tuple(_batched(tensor) for tensor in artefact.signature.inputs)
        self.outputs = tuple(_batched(tensor) for tensor in artefact.signature.outputs)
        self._session = session
        self._max_axis = max_axis

    def decode(self, value: object) -> Row:
        """A row of every input: arrays as V2 has them, or lists as V1 has them, ``{"x": [1, 2]}``.

        Raises:
            Problem: 422 for what is no row, or has an axis beyond the limit.
        """
        if not isinstance(value, Mapping):
            names = ", ".join(tensor.name for tensor in self.inputs)
            raise Problem(422, "invalid-request", f"An instance must be an object with {names}.")
        row: Row = dict(value)
        if not row or not all(isinstance(one, np.ndarray | np.generic) for one in row.values()):
            row = {name: array[0] for name, array in read(_described(value, self.inputs), self.inputs, None).items()}
        for name, array in row.items():
            if max(np.shape(array), default=0) > self._max_axis:
                text = f"{name} has the shape {list(np.shape(array))}; an axis may have {self._max_axis}."
                raise Problem(422, "axis-too-long", text)
        return row

    def predict(self, batch: Sequence[Row]) -> list[Row]:
        """A row of every output for each."""
        alike: defaultdict[tuple[tuple[int, ...], ...], list[int]] = defaultdict(list)
        for number, row in enumerate(batch):
            alike[tuple(np.shape(row[tensor.name]) for tensor in self.inputs)].append(number)
        results: list[Row] = [{} for _ in batch]
        for numbers in alike.values():
            for number, row in zip(numbers, self._run([batch[number] for number in numbers]), strict=True):
                results[number] = row
        return results

    def encode(self, result: Row, parameters: NoParameters) -> dict[str, Any]:
        """Lists by the output's name."""
        return {name: array.tolist() for name, array in result.items()}

    def columns(self, results: Sequence[Row], parameters: NoParameters) -> dict[str, NDArray[Any]]:
        """The outputs, put together again."""
        if not results:
            return {tensor.name: _empty(tensor) for tensor in self.outputs}
        return {tensor.name: np.stack([row[tensor.name] for row in results]) for tensor in self.outputs}

    def classes(self, result: Row) -> Iterable[str]:
        """Whoever asks knows them; this does not."""
        return ()

    def example(self) -> Row:
        """The largest row that is allowed."""
        return {
            tensor.name: np.ones(
                [size if isinstance(size, int) else self._max_axis for size in tensor.shape[1:]], NUMPY[tensor.dtype]
            )
            for tensor in self.inputs
        }

    def _run(self, rows: Sequence[Row]) -> list[Row]:
        inputs = {tensor.name: np.stack([row[tensor.name] for row in rows]) for tensor in self.inputs}
        try:
            outputs = self._session.run(inputs)
        except Refused as error:
            raise Problem(422, "inputs-refused", f"The model does not take these inputs: {error}") from None
        named = {tensor.name: array for tensor, array in zip(self.outputs, outputs, strict=True)}
        return [{name: array[number] for name, array in named.items()} for number in range(len(rows))]


def _batched(tensor: Tensor) -> Tensor:
    """A graph of one instance a run looks to callers like any other."""
    return tensor if isinstance(tensor.shape[0], str) else replace(tensor, shape=("batch", *tensor.shape[1:]))


def _empty(tensor: Tensor) -> NDArray[Any]:
    return np.empty([0, *(size if isinstance(size, int) else 0 for size in tensor.shape[1:])], NUMPY[tensor.dtype])


def _described(row: Mapping[Any, Any], inputs: Sequence[Tensor]) -> list[dict[str, Any]]:
    """A row of V1 as tensors of V2 with one row: only those say their shape."""
    dtypes = {tensor.name: tensor.dtype for tensor in inputs}
    return [
        {"name": name, "datatype": dtypes.get(name), "shape": [1, *_lengths(data)], "data": [data]}
        for name, data in row.items()
    ]


def _lengths(data: object) -> list[int]:
    lengths: list[int] = []
    while isinstance(data, list):
        lengths.append(len(data))
        data = data[0] if data else None
    return lengths
