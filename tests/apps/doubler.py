"""A model small enough to make on the spot, and an app around it: it doubles numbers."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
from fastapi import APIRouter
from numpy.typing import NDArray
from onnx import TensorProto, helper
from pydantic import BaseModel, ConfigDict

from apps.runtime import logs, process, server
from apps.runtime.app import App
from apps.runtime.engine import Session
from apps.runtime.model import ServedModel
from apps.runtime.problems import Problem
from apps.runtime.settings import Settings, read
from models.artefact import Artefact, Signature, Tensor


def doubling_graph(batch: int | str = "batch") -> bytes:
    """An ONNX graph that doubles one number an instance."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "doubler",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def write_doubler(
    store: Path,
    name: str = "doubler",
    version: str = "1.0.0",
    graph: bytes | None = None,
    more: Mapping[str, bytes] | None = None,
) -> Path:
    """Put the doubling model into a store, with ``more`` files beside it; its folder."""
    folder = store / name / version
    Artefact.write(
        folder,
        {"model.onnx": graph or doubling_graph(), **(more or {})},
        format="onnx",
        license="Apache-2.0",
        provenance="Made by a test.",
        made_by="pytest",
        signature=Signature((Tensor("x", "FP32", ("batch", 1)),), (Tensor("y", "FP32", ("batch", 1)),)),
        preprocess={},
        metrics={},
    )
    return folder


class Rounding(BaseModel):
    """Parameters of the doubler."""

    model_config = ConfigDict(frozen=True)

    digits: int = 1


class Doubler:
    """A handler with nothing to it."""

    parameters = Rounding
    inputs = (Tensor("number", "BYTES", ("batch",)),)
    outputs = (Tensor("doubled", "FP32", ("batch",)), Tensor("sign", "BYTES", ("batch",)))

    def __init__(self, session: Session) -> None:
        self.session = session
        self.batches: list[int] = []

    def decode(self, value: object) -> float:
        if isinstance(value, str | bytes | int | float):
            with suppress(ValueError, OverflowError):
                return float(value)
        raise Problem(422, "no-number", f"{value!r} is no number.")

    def predict(self, batch: Sequence[float]) -> list[float]:
        self.batches.append(len(batch))
        (doubled,) = self.session.run({"x": np.array(batch, np.float32)[:, None]})
        return [float(value) for value in doubled[:, 0]]

    def encode(self, result: float, parameters: Rounding) -> dict[str, float]:
        return {"doubled": round(result, parameters.digits)}

    def columns(self, results: Sequence[float], parameters: Rounding) -> dict[str, NDArray[np.generic]]:
        signs = np.array([next(iter(self.classes(result))) for result in results], object)
        return {"doubled": np.array(results, np.float32).round(parameters.digits), "sign": signs}

    def classes(self, result: float) -> Iterable[str]:
        return ["positive" if result > 0 else "negative"]

    def example(self) -> float:
        return 1.0


def settings_for(store: Path, **more: object) -> Settings:
    """Settings that serve the doubling model from ``store``."""
    return Settings(model_name="doubler", model_version="1.0.0", model_stores=(store,), threads=1, **more)  # type: ignore[arg-type]


def app_for(
    settings: Settings, router: APIRouter | None = None, handler: Callable[[Session], Doubler] = Doubler
) -> App:
    """An app with the doubling model and, unless told otherwise, nothing of its own."""
    model = ServedModel(settings, lambda _artefact, _folder, session: handler(session))
    return App("Doubles numbers.", router or APIRouter(), model=model)


def main() -> None:
    """Serve in a process of its own, with a route that takes as long as it is told to."""
    settings, router = read(Settings), APIRouter()

    @router.get("/slow")
    async def slow(seconds: float) -> dict[str, float]:
        await asyncio.sleep(seconds)
        return {"slept": seconds}

    logs.configure(settings.log_level, "doubler")
    process.serve(server.build("doubler", app_for(settings, router), settings), process.listen("127.0.0.1", 0))


if __name__ == "__main__":
    main()
