"""The sentiment app: whether a text speaks well or badly of something."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from apps.runtime import texts
from apps.runtime.app import App
from apps.runtime.engine import Session
from apps.runtime.handler import NoParameters
from apps.runtime.labels import MostLikely
from apps.runtime.model import ServedModel
from apps.runtime.settings import Settings
from models.artefact import Artefact, Tensor
from models.bert.embedding import Embedding
from models.minilm.text import Pieces, WordPieces
from models.sentiment.network import probabilities

__all__ = ["Settings", "create"]


class Sentiment(BaseModel):
    """What a text says."""

    label: str = Field(description="POSITIVE or NEGATIVE")
    score: float = Field(description="how likely that label is, 0.5 to 1")


class TimedSentiment(Sentiment):
    """What a text says, and how long it took to say so."""

    inference_time_ms: float
    preprocessing_time_ms: float
    model: str = Field(description="the model that answered: /model/info says whether it stands in for another")
    version: str


class SentimentHandler(MostLikely):
    """The app's part in a prediction."""

    reads_text = True
    inputs = (Tensor("text", "BYTES", ("batch",)),)

    def __init__(self, artefact: Artefact, folder: Path, session: Session) -> None:
        super().__init__(artefact.classes(folder))
        self._pieces = WordPieces.load(folder / artefact.preprocess["tokenizer"])
        self._embedding = Embedding.of(artefact, folder)
        self._inputs = [tensor.name for tensor in artefact.signature.inputs]
        self._session = session

    def decode(self, value: object) -> Pieces:
        """A text in word pieces."""
        return self._pieces.split(texts.content(value))

    def predict(self, batch: Sequence[Pieces]) -> list[NDArray[np.float64]]:
        """How likely each label is."""
        return probabilities(
            lambda given: self._session.run({name: given[name] for name in self._inputs})[0], self._pieces, batch
        )

    def statistics(self, instance: Pieces) -> dict[str, float]:
        """What the text is like."""
        return texts.statistics(instance, self._embedding)

    def example(self) -> Pieces:
        """A text that fills a window."""
        return self._pieces.split("good " * 120)


def create(settings: Settings) -> App:
    """The app."""
    model = ServedModel(settings, SentimentHandler)
    router = APIRouter(tags=["sentiment"])

    @router.post("/predict", response_model=TimedSentiment)
    async def predict(asked: texts.Text) -> dict[str, Any]:
        """Say whether a text in English speaks well or badly of something."""
        answers = await model.predict([asked.text], NoParameters())
        name, version = answers.by.identity
        return model.encode(answers, NoParameters())[0] | answers.times() | {"model": name, "version": version}

    return App("Says whether a text speaks well or badly of something.", router, model=model)
