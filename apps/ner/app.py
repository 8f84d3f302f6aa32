"""The ner app: names of people, organisations, places and more in a text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from pydantic_core import to_json

from apps.runtime import texts
from apps.runtime.app import App
from apps.runtime.engine import Session
from apps.runtime.handler import Finding, NoParameters
from apps.runtime.model import ServedModel
from apps.runtime.settings import Settings
from models.artefact import Artefact, Tensor
from models.bert.embedding import Embedding
from models.minilm.text import Pieces, WordPieces
from models.ner import LABELS
from models.ner.network import Named, logits, named

__all__ = ["Settings", "create"]


class Name(BaseModel):
    """A name in the text."""

    entity: str = Field(description="PER a person, ORG an organisation, LOC a place, MISC another name")
    text: str = Field(description="the name, as the text has it")
    start: int = Field(description="where it begins, in Unicode code points from 0")
    end: int = Field(description="where it has ended: text[start:end] is the name")
    score: float = Field(description="0 to 1")


@dataclass(frozen=True)
class Split:
    """A text, and its word pieces."""

    text: str
    pieces: Pieces


class NamesHandler:
    """The app's part in a prediction."""

    parameters = NoParameters
    reads_text = True
    inputs = (Tensor("text", "BYTES", ("batch",)),)
    outputs = (Tensor("entities", "BYTES", ("batch",)),)

    def __init__(self, artefact: Artefact, folder: Path, session: Session) -> None:
        labels = artefact.classes(folder)
        if tuple(labels) != LABELS:
            raise ValueError(f"{folder} has the labels {', '.join(labels)}; it must have {', '.join(LABELS)}")
        self._pieces = WordPieces.load(folder / artefact.preprocess["tokenizer"])
        self._embedding = Embedding.of(artefact, folder)
        self._inputs = [tensor.name for tensor in artefact.signature.inputs]
        self._session = session

    def decode(self, value: object) -> Split:
        """A text in word pieces."""
        text = texts.content(value)
        return Split(text, self._pieces.split(text))

    def predict(self, batch: Sequence[Split]) -> list[list[Named]]:
        """The names in each text."""
        given, split = [one.text for one in batch], [one.pieces for one in batch]
        scores = logits(self._run, self._pieces, given, split)
        return [named(*one) for one in zip(given, split, scores, strict=True)]

    def encode(self, result: list[Named], parameters: NoParameters) -> dict[str, Any]:
        """The names in the order of the text."""
        return {"entities": [asdict(name) for name in result]}

    def columns(self, results: Sequence[list[Named]], parameters: NoParameters) -> dict[str, NDArray[np.generic]]:
        """One JSON text for each, because texts have different numbers of names."""
        listed = [to_json([asdict(name) for name in result]).decode() for result in results]
        return {"entities": np.array(listed, object)}

    def classes(self, result: list[Named]) -> Iterable[str]:
        """The kind of each name."""
        return [name.entity for name in result]

    def statistics(self, instance: Split) -> dict[str, float]:
        """What the text is like."""
        return texts.statistics(instance.pieces, self._embedding)

    def findings(self, result: list[Named]) -> list[Finding]:
        """The names by their places, without their words."""
        return [Finding(name.entity, name.score, span=(name.start, name.end)) for name in result]

    def example(self) -> Split:
        """A text that fills a window."""
        text = "Anna " * 120
        return Split(text, self._pieces.split(text))

    def _run(self, given: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        return self._session.run({name: given[name] for name in self._inputs})[0]


def create(settings: Settings) -> App:
    """The app."""
    model = ServedModel(settings, NamesHandler)
    router = APIRouter(tags=["ner"])

    @router.post("/predict", response_model=list[Name])
    async def predict(asked: texts.Text) -> list[dict[str, Any]]:
        """Find the names in a text in English."""
        return model.encode(await model.predict([asked.text], NoParameters()), NoParameters())[0]["entities"]

    return App("Finds names of people, organisations and places in a text.", router, model=model)
