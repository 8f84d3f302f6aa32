"""A registry with two versions of the doubling model, and an app that is told to load from it."""

from pathlib import Path

import httpx
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from apps.runtime.settings import Settings
from tests.apps.doubler import settings_for
from tests.unit.mlflow import Tracking

TOKEN = "opensesame"
PREDICT = "/v1/models/doubler:predict"


def times(factor: float) -> bytes:
    """A graph that multiplies; by what tells versions apart."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        "times",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(np.array(factor, np.float32), "factor")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def told(tracking: Tracking, tmp_path: Path, **more: object) -> Settings:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    registry = {"model_version": "@production", "model_stores": (tmp_path / "local", tracking.store)}
    return settings_for(tmp_path).model_copy(update={"reload_token_file": token} | registry | more)


async def reload(client: httpx.AsyncClient, token: str = TOKEN, **asked: object) -> httpx.Response:
    return await client.post("/model/reload", json=asked or None, headers={"Authorization": f"Bearer {token}"})


async def answer(client: httpx.AsyncClient) -> float:
    """What the model makes of 1."""
    told = await client.post(PREDICT, json={"instances": [1]})
    assert told.status_code == 200, told.text
    return told.json()["predictions"][0]["doubled"]
