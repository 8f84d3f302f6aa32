"""Answers of models that give each label a probability, for apps that say which is the most likely."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.runtime.handler import Finding, NoParameters
from models.artefact import Tensor


class MostLikely:
    """The part of a codec after the prediction, whose results are the probabilities of all labels.

    Attributes:
        labels: the classes, in the order of the probabilities.
    """

    parameters = NoParameters
    outputs = (Tensor("label", "BYTES", ("batch",)), Tensor("score", "FP32", ("batch",)))

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels

    def encode(self, result: NDArray[np.floating], parameters: NoParameters) -> dict[str, Any]:
        """The label that is most likely."""
        return {"label": self.best(result), "score": float(result.max())}

    def columns(self, results: Sequence[NDArray[np.floating]], parameters: NoParameters) -> dict[str, NDArray[Any]]:
        """The most likely labels."""
        return {
            "label": np.array([self.best(result) for result in results], object),
            "score": np.array([result.max() for result in results], np.float32),
        }

    def classes(self, result: NDArray[np.floating]) -> Iterable[str]:
        """The most likely one."""
        return [self.best(result)]

    def findings(self, result: NDArray[np.floating]) -> list[Finding]:
        """The most likely one, with its probability."""
        return [Finding(self.best(result), float(result.max()))]

    def best(self, result: NDArray[np.floating]) -> str:
        """The most likely one."""
        # A few numbers; argmax would hand the interpreter to another thread, and wait to get it back.
        scores: list[float] = result.tolist()
        return self.labels[scores.index(max(scores))]
