"""What an app adds to serve a model: decode one input, predict on a batch, encode one answer."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from apps.runtime.engine import Arrays
from models.artefact import Tensor

X = TypeVar("X")
Y = TypeVar("Y")
P = TypeVar("P", bound=BaseModel)
X_co = TypeVar("X_co", covariant=True)
X_contra = TypeVar("X_contra", contravariant=True)
Y_contra = TypeVar("Y_contra", contravariant=True)


class NoParameters(BaseModel):
    """There is nothing to choose."""


class Codec(Protocol[X_co, Y_contra, P]):
    """An app's part around a prediction, wherever the model runs.

    Attributes:
        parameters: what callers may choose for a request, such as ``top_k``.
        inputs: tensors that V2 takes: one of BYTES, whose elements are the instances; or any number of others, whose
            rows are: then ``decode`` gets a mapping of names to arrays.
        outputs: tensors that V2 answers, one row an instance.
    """

    parameters: type[P]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def decode(self, value: object) -> X_co:
        """One instance from what a request carried: bytes of a file, a JSON value, or rows. Runs in a thread.

        Raises:
            Problem: it cannot be decoded.
        """
        ...

    def encode(self, result: Y_contra, parameters: P) -> dict[str, Any]:
        """One result as JSON."""
        ...

    def columns(self, results: Sequence[Y_contra], parameters: P) -> dict[str, NDArray[np.generic]]:
        """Results as the arrays that ``outputs`` names; texts are arrays of objects."""
        ...

    def classes(self, result: Y_contra) -> Iterable[str]:
        """Which classes were predicted, for the count of predictions by class."""
        ...


class Handler(Codec[X, Y, P], Protocol[X, Y, P]):
    """An app's part in a prediction, between the bytes of a request and the arrays of a model that runs here."""

    def predict(self, batch: Sequence[X]) -> Sequence[Y]:
        """One result for each instance, in order. Runs in the inference thread."""
        ...

    def example(self) -> X:
        """An instance to warm up with."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an answer says; nothing of the input is repeated in it.

    Attributes:
        label: what it is.
        score: how sure the model is, 0 to 1.
        span: where in a text: begin and end in code points.
        box: where in a picture: x, y, width and height in pixels.
    """

    label: str
    score: float
    span: tuple[int, int] | None = None
    box: tuple[float, float, float, float] | None = None


@runtime_checkable
class Watched(Protocol[X_contra, Y_contra]):
    """What a codec adds whose inputs and answers are watched for drift, logged, and compared with a shadow's.

    Both are called behind the back of requests, in a thread of their own.

    Attributes:
        reads_text: whether callers send texts; payload logs keep these only when told to, and never anything else.
    """

    reads_text: bool

    def statistics(self, instance: X_contra) -> Mapping[str, float]:
        """What a decoded instance is like, in a few numbers: brightness of a picture, length of a text."""
        ...

    def findings(self, result: Y_contra) -> Sequence[Finding]:
        """What a result says, the most important first."""
        ...


Infer = Callable[[Arrays], Awaitable[dict[str, NDArray[Any]]]]
"""Asks the model for its outputs by name."""


class Transformer(Codec[X, Y, P], Protocol[X, Y, P]):
    """An app's part in a prediction whose model runs elsewhere."""

    async def predict(self, batch: Sequence[X], infer: Infer) -> Sequence[Y]:
        """One result for each instance of a request, in order."""
        ...
