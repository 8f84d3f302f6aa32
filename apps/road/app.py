"""Says of a picture whether the road in it is dry or wet, with the model that the registry has in production."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, UploadFile
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from apps.runtime import pictures
from apps.runtime.app import App
from apps.runtime.engine import Session
from apps.runtime.handler import NoParameters
from apps.runtime.labels import MostLikely
from apps.runtime.model import ServedModel
from apps.runtime.settings import Settings
from models.artefact import Artefact, Tensor
from models.imagenet.preprocess import Preprocess
from models.pictures import PictureError, decode

__all__ = ["Settings", "create"]

Probabilities = NDArray[np.float32]


class Health(BaseModel):
    """How the app is, and what it serves."""

    status: str = Field(description="ready, or why it is not")
    model: str
    version: str
    image: str = Field(description="revision of the app's code; on a cluster, the tag of its image")


class Prediction(BaseModel):
    """What a road is like, and how long it took to say so."""

    prediction: str = Field(description="dry or wet")
    confidence: float = Field(description="its probability, 0 to 1")
    probabilities: dict[str, float] = Field(description="of each; they add up to 1")
    inference_time_ms: float
    preprocessing_time_ms: float
    model: str = Field(description="the model that answered: /model/info says whether it stands in for another")
    version: str


class RoadHandler(MostLikely):
    """The app's part in a prediction."""

    reads_text = False
    inputs = (Tensor("image", "BYTES", ("batch",)),)
    outputs = (*MostLikely.outputs, Tensor("probabilities", "FP32", ("batch", "label")))

    def __init__(self, artefact: Artefact, folder: Path, session: Session) -> None:
        super().__init__(artefact.classes(folder))
        self._preprocess = Preprocess.of(artefact.preprocess)
        self._input = artefact.signature.inputs[0].name
        self._session = session

    def decode(self, value: object) -> NDArray[np.float32]:
        """A picture as the network takes it."""
        try:
            return self._preprocess(decode(pictures.content(value), min_side=self._preprocess.min_side))
        except PictureError as error:
            raise pictures.problem(error) from None

    def predict(self, batch: Sequence[NDArray[np.float32]]) -> list[Probabilities]:
        """Softmax of the logits."""
        (logits,) = self._session.run({self._input: np.stack(batch)})
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return list(powers / powers.sum(axis=1, keepdims=True))

    def encode(self, result: Probabilities, parameters: NoParameters) -> dict[str, Any]:
        """The more likely one, and how likely each is."""
        return {
            "prediction": self.best(result),
            "confidence": float(result.max()),
            "probabilities": dict(zip(self.labels, result.tolist(), strict=True)),
        }

    def columns(self, results: Sequence[Probabilities], parameters: NoParameters) -> dict[str, NDArray[Any]]:
        """The same as arrays."""
        rows = np.array(results, np.float32).reshape(-1, len(self.labels))
        return {**super().columns(results, parameters), "probabilities": rows}

    def statistics(self, instance: NDArray[np.float32]) -> dict[str, float]:
        """What the picture is like, as the network sees it."""
        return pictures.statistics(instance, self._preprocess.std, self._preprocess.mean)

    def example(self) -> NDArray[np.float32]:
        """A black picture."""
        return self._preprocess(np.zeros((self._preprocess.size, self._preprocess.size, 3), np.uint8))


def create(settings: Settings) -> App:
    """The app."""
    model = ServedModel(settings, RoadHandler)
    router = APIRouter(tags=["road"])

    @router.get("/", response_model=Health)
    async def health() -> dict[str, str]:
        """How the app is, the model that it serves, and the version of its image."""
        name, version = model.identity
        return {
            "status": model.not_ready or "ready",
            "model": name,
            "version": version,
            "image": settings.app_revision,
        }

    @router.post("/predict", response_model=Prediction)
    async def predict(file: UploadFile) -> dict[str, Any]:
        """Say of a JPEG, PNG, WebP, GIF or BMP whether the road in it is dry or wet."""
        answers = await model.predict([await file.read()], NoParameters())
        name, version = answers.by.identity
        return model.encode(answers, NoParameters())[0] | answers.times() | {"model": name, "version": version}

    return App("Says whether the road in a picture is dry or wet.", router, model=model)
