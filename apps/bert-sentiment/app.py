"""The bert-sentiment app: a transformer in front of a predictor, in processes of their own."""

from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import Field

from apps.runtime import texts
from apps.runtime.app import App
from apps.runtime.handler import Infer
from apps.runtime.labels import MostLikely
from apps.runtime.problems import Problem
from apps.runtime.settings import Settings as RuntimeSettings
from apps.runtime.settings import SettingsError
from apps.runtime.transformer import TransformedModel
from models.artefact import Artefact, Tensor
from models.bert.embedding import Embedding
from models.minilm.text import Pieces, WordPieces
from models.sentiment.network import parts, weighed


class Settings(RuntimeSettings):
    """What the app is told beside what every app is told."""

    bert_sentiment_predictor_url: str | None = Field(default=None, description="base URL of the predictor")
    model_server_url: str | None = Field(default=None, description="base URL of a predictor to ask instead of that one")


class SentimentTransformer(MostLikely):
    """The app's part in a prediction."""

    reads_text = True
    inputs = (Tensor("sequence", "BYTES", ("batch",)),)

    def __init__(self, artefact: Artefact, folder: Path) -> None:
        super().__init__(artefact.classes(folder))
        self._pieces = WordPieces.load(folder / artefact.preprocess["tokenizer"])
        self._embedding = Embedding.of(artefact, folder)
        (self._output,) = (tensor.name for tensor in artefact.signature.outputs)

    def decode(self, value: object) -> Pieces:
        """A text in word pieces."""
        return self._pieces.split(texts.content(value))

    async def predict(self, batch: Sequence[Pieces], infer: Infer) -> list[NDArray[np.float64]]:
        """How likely each label is."""
        asked = parts(self._pieces, batch)
        # One after the other: a long text must not crowd all others out of the predictor's queue.
        answered = [(part, (await infer(part.inputs))[self._output]) for part in asked]
        if not all(np.isfinite(logits).all() for _, logits in answered):
            raise Problem(502, "predictor-failed", "The predictor answered with what are no numbers.")
        return weighed(len(batch), answered)

    def statistics(self, instance: Pieces) -> dict[str, float]:
        """What the text is like."""
        return texts.statistics(instance, self._embedding)


def create(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> App:
    """The app; tests give it a predictor without a network.

    Raises:
        SettingsError: there is no URL of a predictor.
    """
    url = settings.model_server_url or settings.bert_sentiment_predictor_url
    if not url:
        raise SettingsError("BERT_SENTIMENT_PREDICTOR_URL is not set.\n  Give the predictor's base URL.")
    model = TransformedModel(settings, SentimentTransformer, url, transport)
    return App("Says whether a text speaks well or badly of something.", APIRouter(), model=model, instance="sequence")
