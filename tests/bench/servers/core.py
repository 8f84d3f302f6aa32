"""The two models as every server runs them: decode one input, predict on a batch of decoded ones."""

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.runtime.engine import open_session
from models.artefact import Artefact
from models.imagenet.preprocess import Preprocess
from models.minilm.text import Pieces, WordPieces
from models.pictures import decode
from models.sentiment.network import probabilities

THREADS = len(os.sched_getaffinity(0))
"""What ours takes by itself: all cores that it may run on."""

MAX_BATCH = 8
WAIT_S = 0.005
"""How long servers that wait for a fuller batch wait: what their documentations' examples give, or less."""


class Classifier:
    """ResNet50 on pictures in base64, as apps/classifier has it."""

    def __init__(self, folder: Path, threads: int) -> None:
        artefact = Artefact.load(folder)
        self._labels = (folder / (artefact.labels or "")).read_text(encoding="utf-8").splitlines()
        self._preprocess = Preprocess.of(artefact.preprocess)
        self._input = artefact.signature.inputs[0].name
        self._session = open_session(folder / "model.onnx", "cpu", threads)

    def decode(self, asked: Mapping[str, str]) -> NDArray[np.float32]:
        """A picture as the network takes it."""
        content = base64.b64decode(asked["b64"], validate=True)
        return self._preprocess(decode(content, min_side=self._preprocess.min_side))

    def predict(self, batch: Sequence[NDArray[np.float32]]) -> list[dict[str, Any]]:
        """The five most likely classes of each."""
        (logits,) = self._session.run({self._input: np.stack(batch)})
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return [self._best(row) for row in powers / powers.sum(axis=1, keepdims=True)]

    def _best(self, row: NDArray[np.float32]) -> dict[str, Any]:
        best = np.argsort(-row, kind="stable")[:5].tolist()
        return {"predictions": [{"label": self._labels[one], "confidence": float(row[one])} for one in best]}


class Sentiment:
    """MiniLM on texts, as apps/sentiment has it."""

    def __init__(self, folder: Path, threads: int) -> None:
        artefact = Artefact.load(folder)
        self._labels = (folder / (artefact.labels or "")).read_text(encoding="utf-8").splitlines()
        self._pieces = WordPieces.load(folder / artefact.preprocess["tokenizer"])
        self._inputs = [tensor.name for tensor in artefact.signature.inputs]
        self._session = open_session(folder / "model.onnx", "cpu", threads)

    def decode(self, asked: Mapping[str, str]) -> Pieces:
        """A text in word pieces."""
        return self._pieces.split(asked["text"])

    def predict(self, batch: Sequence[Pieces]) -> list[dict[str, Any]]:
        """The more likely label of each."""
        found = probabilities(
            lambda given: self._session.run({name: given[name] for name in self._inputs})[0], self._pieces, batch
        )
        return [{"label": self._labels[int(one.argmax())], "score": float(one.max())} for one in found]


KINDS = {"classifier": Classifier, "sentiment": Sentiment}


def chosen() -> Classifier | Sentiment:
    """The model that the environment names: ``MODEL``, ``FOLDER`` and ``THREADS``."""
    return KINDS[os.environ["MODEL"]](Path(os.environ["FOLDER"]), int(os.environ["THREADS"]))
