"""The predictor of bert-sentiment. There is nothing of that model in it: any ONNX artefact of numbers is served so."""

from pathlib import Path

from fastapi import APIRouter
from pydantic import Field

from apps.runtime.app import App
from apps.runtime.engine import Session
from apps.runtime.model import ServedModel
from apps.runtime.settings import Settings as RuntimeSettings
from apps.runtime.tensors import TensorHandler
from models.artefact import Artefact


class Settings(RuntimeSettings):
    """What the app is told beside what every app is told."""

    max_axis: int = Field(default=512, ge=1, le=65536, description="length of a free axis at most, 1 to 65536")


def create(settings: Settings) -> App:
    """The app: V1 and V2 and nothing of its own."""

    def load(artefact: Artefact, folder: Path, session: Session) -> TensorHandler:
        return TensorHandler(artefact, folder, session, settings.max_axis)

    return App("Runs a graph on the tensors of its signature.", APIRouter(), model=ServedModel(settings, load))
