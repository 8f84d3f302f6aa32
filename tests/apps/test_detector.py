"""The detector app, around a network that takes a white square of four pixels for a circle."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from apps.detector.app import Settings, create
from models.artefact import Artefact, Signature, Tensor
from tests.apps import pictures
from tests.apps.conftest import serving

pytestmark = pytest.mark.anyio

RADIUS = 8.0
CIRCLES = [(10.0, 22.0), (38.0, 6.0)]


def squares_graph() -> bytes:
    """Score: how white each cell of 4 x 4 pixels is. Circle: centred in its cell, always of the same radius."""
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("AveragePool", ["pixels"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("ReduceMean", ["cells", "channel"], ["grey"], keepdims=1),
        helper.make_node("Div", ["grey", "white"], ["score"]),
        helper.make_node("Mul", ["cells", "nothing"], ["zeros"]),
        helper.make_node("Add", ["zeros", "geometry"], ["circle"]),
    ]
    constants = [
        helper.make_tensor("channel", TensorProto.INT64, [1], [1]),
        helper.make_tensor("white", TensorProto.FLOAT, [], [255.0]),
        helper.make_tensor("nothing", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("geometry", TensorProto.FLOAT, [1, 3, 1, 1], [0.0, 0.0, RADIUS]),
    ]
    graph = helper.make_graph(
        nodes,
        "squares",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 3, "h", "w"])],
        [
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1, "rows", "columns"]),
            helper.make_tensor_value_info("circle", TensorProto.FLOAT, ["n", 3, "rows", "columns"]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    Artefact.write(
        tmp_path / "circle_detector" / "1.0.0",
        {"model.onnx": squares_graph()},
        format="onnx",
        license="Apache-2.0",
        provenance="Made by a test.",
        made_by="pytest",
        signature=Signature(
            (Tensor("image", "UINT8", ("n", 3, "h", "w")),),
            (
                Tensor("score", "FP32", ("n", 1, "rows", "columns")),
                Tensor("circle", "FP32", ("n", 3, "rows", "columns")),
            ),
        ),
        preprocess={"longest_side": 64, "threshold": 0.6},
        metrics={},
    )
    settings = Settings(
        model_name="circle_detector", model_version="1.0.0", model_stores=(tmp_path,), max_upload_size=500_000
    )
    async with serving("detector", create(settings), settings) as client:
        yield client


def scene(scale: int = 1, width: int = 64, height: int = 48) -> bytes:
    """Two white squares on black, one pure white and one less so."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for (x, y), white in zip(CIRCLES, (255, 240), strict=True):
        pixels[int(y) - 2 : int(y) + 2, int(x) - 2 : int(x) + 2] = white
    return pictures.encoded(Image.fromarray(pixels).resize((width * scale, height * scale), Image.Resampling.NEAREST))


async def test_objects_are_numbered_from_the_most_confident_and_placed_in_pixels(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/predict", files=pictures.upload(scene()))).json()
    assert (answer["width"], answer["height"]) == (64, 48)
    first, second = answer["objects"]
    assert first == {
        "id": 0,
        "bbox": [2.0, 14.0, 16.0, 16.0],
        "centroid": [10.0, 22.0],
        "radius": RADIUS,
        "confidence": 1.0,
    }
    assert second["id"] == 1
    assert second["centroid"] == [38.0, 6.0]
    assert second["bbox"] == [30.0, 0.0, 16.0, 14.0]
    assert 0.9 < second["confidence"] < 1


async def test_places_refer_to_the_picture_as_it_was_sent(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/predict", files=pictures.upload(scene(scale=4)))).json()
    assert (answer["width"], answer["height"]) == (256, 192)
    assert answer["objects"][0]["centroid"] == pytest.approx([40, 88], abs=0.5)
    assert answer["objects"][0]["radius"] == pytest.approx(4 * RADIUS, abs=0.5)


async def test_times_are_told(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/predict", files=pictures.upload(scene()))).json()
    assert answer["inference_time_ms"] > 0
    assert answer["preprocessing_time_ms"] > 0


async def test_a_picture_without_circles_is_an_empty_list(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict", files=pictures.upload(pictures.picture()))
    assert answer.status_code == 200
    assert answer.json()["objects"] == []


@pytest.mark.parametrize("wrap", [lambda b: b, lambda b: {"b64": b}, lambda b: {"image": {"b64": b}}])
async def test_v1_takes_pictures_of_any_size_in_one_request(client: httpx.AsyncClient, wrap: object) -> None:
    sent = [wrap(pictures.b64(content)) for content in (scene(), scene(scale=2), pictures.picture((32, 96)))]  # type: ignore[operator]
    answer = (await client.post("/v1/models/detector:predict", json={"instances": sent})).json()
    assert [len(one["objects"]) for one in answer["predictions"]] == [2, 2, 0]
    assert [one["width"] for one in answer["predictions"]] == [64, 128, 32]


async def test_v2_answers_one_json_text_a_picture(client: httpx.AsyncClient) -> None:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [pictures.b64(scene())]}
    answer = (await client.post("/v2/models/circle_detector/infer", json={"inputs": [tensor]})).json()
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("detections", "BYTES", [1])
    assert len(json.loads(output["data"][0])["objects"]) == 2


@pytest.mark.parametrize("bad", pictures.BAD)
async def test_a_bad_picture_is_the_senders_problem(client: httpx.AsyncClient, bad: str) -> None:
    content, status, slug = pictures.BAD[bad]
    for answer in (
        await client.post("/predict", files=pictures.upload(content)),
        await client.post("/v1/models/detector:predict", json={"instances": [{"b64": pictures.b64(content)}]}),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == f"urn:modelserve:problem:{slug}"


async def test_a_picture_over_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict", files=pictures.upload(b"x" * 500_001))
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:modelserve:problem:body-too-large"


@pytest.mark.parametrize("instance", [7, None, {}, {"image": {}}, {"b64": "no base64!"}, {"url": "http://a"}])
async def test_what_holds_no_picture_says_how_to_send_one(client: httpx.AsyncClient, instance: object) -> None:
    answer = await client.post("/v1/models/detector:predict", json={"instances": [instance]})
    assert answer.status_code == 422
    assert "base64" in answer.json()["detail"]


async def test_a_request_without_a_file_is_told_what_is_missing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict", data={"picture": "x"})
    assert answer.status_code == 422
    assert "body.file" in answer.json()["detail"]


async def test_circles_are_counted(client: httpx.AsyncClient) -> None:
    await client.post("/predict", files=pictures.upload(scene()))
    assert 'predictions_total{class="circle"} 2.0' in (await client.get("/metrics")).text
