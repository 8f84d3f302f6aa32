"""The detector: circular objects in a picture."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, UploadFile
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from pydantic_core import to_json

from apps.runtime import pictures
from apps.runtime.app import App
from apps.runtime.engine import Session
from apps.runtime.handler import Finding, NoParameters
from apps.runtime.model import ServedModel
from apps.runtime.settings import Settings
from models.artefact import Artefact, Tensor
from models.circle_detector.detect import Circle, Parameters, Prepared, detect, prepare
from models.pictures import PictureError, decode

__all__ = ["Settings", "create"]


class DetectedObject(BaseModel):
    """A circular object; all lengths in pixels of the picture as it was sent, upright."""

    id: int = Field(description="counts from 0, most confident first")
    bbox: tuple[float, float, float, float] = Field(description="x and y of the upper left corner, width, height")
    centroid: tuple[float, float] = Field(description="x and y of the centre")
    radius: float
    confidence: float = Field(description="0 to 1")


class Detections(BaseModel):
    """What was found in a picture."""

    objects: list[DetectedObject]
    width: int
    height: int


class TimedDetections(Detections):
    """What was found in a picture, and how long that took."""

    inference_time_ms: float
    preprocessing_time_ms: float


@dataclass(frozen=True)
class Found:
    """Circles, and width and height of the picture that they are in."""

    circles: list[Circle]
    size: tuple[int, int]


class CircleHandler:
    """The detector's part in a prediction."""

    parameters = NoParameters
    reads_text = False
    inputs = (Tensor("image", "BYTES", ("batch",)),)
    outputs = (Tensor("detections", "BYTES", ("batch",)),)

    def __init__(self, artefact: Artefact, _folder: Path, session: Session) -> None:
        self._parameters = Parameters.of(artefact.preprocess)
        self._input = artefact.signature.inputs[0].name
        self._session = session

    def decode(self, value: object) -> Prepared:
        """A picture, scaled to the network's working size."""
        try:
            # Decoded at full size: what a reduced JPEG decode leaves out would be missing from the circles' places.
            return prepare(decode(pictures.content(value)), self._parameters)
        except PictureError as error:
            raise pictures.problem(error) from None

    def predict(self, batch: Sequence[Prepared]) -> list[Found]:
        """The circles of each picture."""
        found = detect(self._run, batch, self._parameters)
        return [Found(circles, picture.size) for circles, picture in zip(found, batch, strict=True)]

    def encode(self, result: Found, parameters: NoParameters) -> dict[str, Any]:
        """Numbered objects, and the size of the picture that their places refer to."""
        objects = [{"id": number, **asdict(circle)} for number, circle in enumerate(result.circles)]
        return {"objects": objects, "width": result.size[0], "height": result.size[1]}

    def columns(self, results: Sequence[Found], parameters: NoParameters) -> dict[str, NDArray[np.generic]]:
        """One JSON text a picture, because pictures have different numbers of objects."""
        texts = [to_json(self.encode(result, parameters)).decode() for result in results]
        return {"detections": np.array(texts, object)}

    def classes(self, result: Found) -> Iterable[str]:
        """There is one class."""
        return ["circle"] * len(result.circles)

    def statistics(self, instance: Prepared) -> dict[str, float]:
        """What the picture is like at the network's working size, without what fills it up."""
        width, height = (round(side * scale) for side, scale in zip(instance.size, instance.scale, strict=True))
        return pictures.statistics(instance.tensor[:, :height, :width], scale=(1 / 255,) * 3)

    def findings(self, result: Found) -> list[Finding]:
        """The circles."""
        return [Finding("circle", circle.confidence, box=circle.bbox) for circle in result.circles]

    def example(self) -> Prepared:
        """A grey picture of the largest working size."""
        side = self._parameters.longest_side
        return prepare(np.full((side, side, 3), 128, np.uint8), self._parameters)

    def _run(self, tensor: NDArray[np.uint8]) -> list[NDArray[Any]]:
        return self._session.run({self._input: tensor})


def create(settings: Settings) -> App:
    """The app."""
    model = ServedModel(settings, CircleHandler)
    router = APIRouter(tags=["detector"])

    @router.post("/predict", response_model=TimedDetections)
    async def predict(file: UploadFile) -> dict[str, Any]:
        """Find the circular objects in a JPEG, PNG, WebP, GIF or BMP."""
        nothing = NoParameters()
        answers = await model.predict([await file.read()], nothing)
        return model.encode(answers, nothing)[0] | answers.times()

    return App("Finds circular objects in a picture.", router, model=model)
