"""What an app adds to serve a model: decode one input, predict on a batch, encode one answer."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from models.artefact import Tensor

X = TypeVar("X")
Y = TypeVar("Y")
P = TypeVar("P", bound=BaseModel)


class NoParameters(BaseModel):
    """There is nothing to choose."""


class Handler(Protocol[X, Y, P]):
    """An app's part in a prediction, between the bytes of a request and the arrays of a model.

    Attributes:
        parameters: what callers may choose for a request, such as ``top_k``.
        inputs: tensors that V2 takes, one element an instance.
        outputs: tensors that V2 answers, one row an instance.
    """

    parameters: type[P]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def decode(self, value: object) -> X:
        """One instance from what a request carried: bytes of a file, or a JSON value. Runs in a thread.

        Raises:
            Problem: it cannot be decoded.
        """
        ...

    def predict(self, batch: Sequence[X]) -> Sequence[Y]:
        """One result for each instance, in order. Runs in the inference thread."""
        ...

    def encode(self, result: Y, parameters: P) -> dict[str, Any]:
        """One result as JSON."""
        ...

    def columns(self, results: Sequence[Y], parameters: P) -> dict[str, NDArray[np.generic]]:
        """Results as the arrays that ``outputs`` names; texts are arrays of objects."""
        ...

    def classes(self, result: Y) -> Iterable[str]:
        """Which classes were predicted, for the count of predictions by class."""
        ...

    def example(self) -> X:
        """An instance to warm up with."""
        ...
