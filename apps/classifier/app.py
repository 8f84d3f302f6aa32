"""The classifier: what a picture shows, by the 1,000 classes of ImageNet."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Form, UploadFile
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

from apps.classifier.fetch import TIMEOUT_S, Fetcher
from apps.runtime import pictures
from apps.runtime.app import App
from apps.runtime.engine import Session
from apps.runtime.handler import Finding
from apps.runtime.model import ServedModel
from apps.runtime.settings import Settings as RuntimeSettings
from models.artefact import Artefact, Tensor
from models.imagenet.preprocess import Preprocess
from models.pictures import PictureError, decode

MAX_TOP_K = 1000


class Settings(RuntimeSettings):
    """What this app is told beside what every app is."""

    top_k_predictions: int = Field(default=5, ge=1, le=MAX_TOP_K, description=f"classes in an answer, 1 to {MAX_TOP_K}")
    url_ports: Annotated[tuple[int, ...], NoDecode] = Field(
        default=(80, 443), description="ports that POST /predict/url may connect to, separated by commas"
    )
    url_timeout_s: float = Field(default=TIMEOUT_S, gt=0, description="seconds that fetching a URL may take, above 0")

    @field_validator("url_ports", mode="before")
    @classmethod
    def _split_ports(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value


class Choice(BaseModel):
    """What a caller may choose."""

    model_config = ConfigDict(frozen=True)

    top_k: int | None = Field(default=None, ge=1, le=MAX_TOP_K, description="classes in the answer")


class ByUrl(Choice):
    """A picture by its URL."""

    url: str = Field(max_length=2048, description="http:// or https://, on the public internet")


class Guess(BaseModel):
    """A class that the picture may show."""

    class_id: int = Field(description="0 to 999, in the order of ILSVRC2012")
    label: str
    confidence: float = Field(description="0 to 1; those of all classes add up to 1")


class Predictions(BaseModel):
    """What a picture shows, most likely first, and how long it took to say so."""

    predictions: list[Guess]
    inference_time_ms: float
    preprocessing_time_ms: float
    model: str = Field(description="the model that answered: /model/info says whether it stands in for another")
    version: str


class ImageNetHandler:
    """The classifier's part in a prediction."""

    parameters = Choice
    reads_text = False
    inputs = (Tensor("image", "BYTES", ("batch",)),)
    outputs = (
        Tensor("class_id", "INT64", ("batch", "top_k")),
        Tensor("confidence", "FP32", ("batch", "top_k")),
        Tensor("label", "BYTES", ("batch", "top_k")),
    )

    def __init__(self, artefact: Artefact, folder: Path, session: Session, top_k: int) -> None:
        self._labels = artefact.classes(folder)
        self._preprocess = Preprocess.of(artefact.preprocess)
        self._input = artefact.signature.inputs[0].name
        self._session = session
        self._top_k = top_k

    def decode(self, value: object) -> NDArray[np.float32]:
        """A picture as the network takes it."""
        try:
            return self._preprocess(decode(pictures.content(value), min_side=self._preprocess.min_side))
        except PictureError as error:
            raise pictures.problem(error) from None

    def predict(self, batch: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The probability of each class: softmax of the logits."""
        (logits,) = self._session.run({self._input: np.stack(batch)})
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return list(powers / powers.sum(axis=1, keepdims=True))

    def encode(self, result: NDArray[np.float32], parameters: Choice) -> dict[str, Any]:
        """The most likely classes."""
        return {
            "predictions": [
                {"class_id": index, "label": self._labels[index], "confidence": float(result[index])}
                for index in self._best(result, parameters)
            ]
        }

    def columns(self, results: Sequence[NDArray[np.float32]], parameters: Choice) -> dict[str, NDArray[np.generic]]:
        """The most likely classes, one row a picture."""
        several = np.array(results, np.float32).reshape(len(results), len(self._labels))
        best = np.argsort(-several, axis=1, kind="stable")[:, : parameters.top_k or self._top_k]
        return {
            "class_id": best,
            "confidence": np.take_along_axis(several, best, axis=1),
            "label": np.array(self._labels, object)[best],
        }

    def classes(self, result: NDArray[np.float32]) -> Iterable[str]:
        """The most likely one."""
        return [self._labels[int(result.argmax())]]

    def statistics(self, instance: NDArray[np.float32]) -> dict[str, float]:
        """What the picture is like, as the network sees it."""
        return pictures.statistics(instance, self._preprocess.std, self._preprocess.mean)

    def findings(self, result: NDArray[np.float32]) -> list[Finding]:
        """The most likely class."""
        best = int(result.argmax())
        return [Finding(self._labels[best], float(result[best]))]

    def example(self) -> NDArray[np.float32]:
        """A black picture."""
        return self._preprocess(np.zeros((self._preprocess.size, self._preprocess.size, 3), np.uint8))

    def _best(self, result: NDArray[np.float32], parameters: Choice) -> list[int]:
        return np.argsort(-result, kind="stable")[: parameters.top_k or self._top_k].tolist()


def create(settings: Settings) -> App:
    """The app."""
    fetcher = Fetcher(settings.max_upload_size, settings.url_ports, settings.url_timeout_s)

    def load(artefact: Artefact, folder: Path, session: Session) -> ImageNetHandler:
        return ImageNetHandler(artefact, folder, session, settings.top_k_predictions)

    model = ServedModel(settings, load)
    return App("Names what a picture shows, by the 1,000 classes of ImageNet.", routes(model, fetcher), model=model)


def routes(model: ServedModel, fetcher: Fetcher) -> APIRouter:
    """The app's own routes."""
    router = APIRouter(tags=["classifier"])

    async def classify(picture: bytes, choice: Choice) -> dict[str, Any]:
        answers = await model.predict([picture], choice)
        name, version = answers.by.identity
        return model.encode(answers, choice)[0] | answers.times() | {"model": name, "version": version}

    @router.post("/predict", response_model=Predictions)
    async def predict(
        file: UploadFile, top_k: Annotated[int | None, Form(ge=1, le=MAX_TOP_K)] = None
    ) -> dict[str, Any]:
        """Classify a JPEG, PNG, WebP, GIF or BMP."""
        return await classify(await file.read(), Choice(top_k=top_k))

    @router.post("/predict/url", response_model=Predictions)
    async def predict_url(asked: ByUrl) -> dict[str, Any]:
        """Classify a picture on the public internet."""
        model.check_ready()
        return await classify(await fetcher.get(asked.url), asked)

    return router
