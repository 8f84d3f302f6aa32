"""The classifier app, around a network that knows three colours."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import onnx
import pytest
from onnx import TensorProto, helper
from pydantic import ValidationError

from apps.classifier.app import ByUrl, Settings, create, routes
from apps.classifier.fetch import Fetcher
from models.artefact import Artefact
from models.imagenet import graph
from models.imagenet.preprocess import Preprocess
from tests.apps import pictures
from tests.apps.conftest import serving

pytestmark = pytest.mark.anyio

COLOURS = ["red", "green", "blue"]
SIZE = 8


def colours_graph() -> bytes:
    """Logits: ten times the mean of each colour."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Mul", ["flat", "ten"], ["logits"]),
    ]
    made = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor("ten", TensorProto.FLOAT, [], [10.0])],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    preprocess = Preprocess(size=SIZE, crop=0.875, interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1))
    Artefact.write(
        tmp_path / "colours" / "1.0.0",
        {"model.onnx": colours_graph(), "labels.txt": "\n".join(COLOURS).encode()},
        format="onnx",
        license="Apache-2.0",
        provenance="Made by a test.",
        made_by="pytest",
        signature=graph.signature(SIZE),
        preprocess=preprocess.parameters(),
        labels="labels.txt",
        metrics={},
    )
    return Settings(
        model_name="resnet50",
        model_version="1.0.0",
        model_alternative="colours@1.0.0",
        model_stores=(tmp_path,),
        top_k_predictions=2,
        max_upload_size=500_000,
    )


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with serving("classifier", create(settings), settings) as client:
        yield client


async def test_the_likeliest_class_comes_first_and_times_are_told(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/predict", files=pictures.upload(pictures.picture()))).json()
    first, second = answer["predictions"]
    assert (first["class_id"], first["label"]) == (1, "green")
    assert 1 > first["confidence"] > 0.99 > second["confidence"] > 0
    assert answer["inference_time_ms"] > 0
    assert answer["preprocessing_time_ms"] > 0


async def test_an_answer_names_the_model_that_gave_it(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/predict", files=pictures.upload(pictures.picture()))).json()
    assert (answer["model"], answer["version"]) == ("colours", "1.0.0")
    assert (await client.get("/model/info")).json()["served_as_alternative_for"] == "resnet50@1.0.0"


async def test_the_caller_chooses_how_many_classes(client: httpx.AsyncClient) -> None:
    files = pictures.upload(pictures.picture(colour=(0, 0, 250)))
    answer = (await client.post("/predict", files=files, data={"top_k": "3"})).json()
    assert [one["label"] for one in answer["predictions"]] == ["blue", "red", "green"]
    assert sum(one["confidence"] for one in answer["predictions"]) == pytest.approx(1)


@pytest.mark.parametrize("top_k", ["0", "-1", "1001", "many"])
async def test_a_wrong_number_of_classes_is_refused(client: httpx.AsyncClient, top_k: str) -> None:
    answer = await client.post("/predict", files=pictures.upload(pictures.picture()), data={"top_k": top_k})
    assert answer.status_code == 422
    assert "body.top_k" in answer.json()["detail"]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
async def test_the_usual_formats_are_read(client: httpx.AsyncClient, form: str) -> None:
    answer = await client.post("/predict", files=pictures.upload(pictures.picture(form=form)))
    assert answer.json()["predictions"][0]["label"] == "green"


@pytest.mark.parametrize("bad", pictures.BAD)
async def test_a_bad_picture_is_the_senders_problem(client: httpx.AsyncClient, bad: str) -> None:
    content, status, slug = pictures.BAD[bad]
    answer = await client.post("/predict", files=pictures.upload(content))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:modelserve:problem:{slug}"


async def test_a_picture_over_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/predict", files=pictures.upload(b"x" * 500_001))).status_code == 413


async def test_v1_predicts_pictures(client: httpx.AsyncClient) -> None:
    sent = [{"image": {"b64": pictures.b64(pictures.picture(colour=colour))}} for colour in ((250, 0, 0), (0, 250, 0))]
    body = {"instances": sent, "parameters": {"top_k": 1}}
    answer = (await client.post("/v1/models/classifier:predict", json=body)).json()
    assert [one["predictions"][0]["label"] for one in answer["predictions"]] == ["red", "green"]
    assert [len(one["predictions"]) for one in answer["predictions"]] == [1, 1]


async def test_v2_answers_classes_labels_and_confidences_as_tensors(client: httpx.AsyncClient) -> None:
    data = [pictures.b64(pictures.picture(colour=colour)) for colour in ((250, 0, 0), (0, 250, 0))]
    tensor = {"name": "image", "datatype": "BYTES", "shape": [2], "data": data}
    answer = (await client.post("/v2/models/resnet50/infer", json={"inputs": [tensor]})).json()
    assert answer["model_name"] == "colours"
    outputs = {output["name"]: output for output in answer["outputs"]}
    assert outputs["class_id"]["shape"] == [2, 2]
    assert outputs["class_id"]["datatype"] == "INT64"
    assert outputs["label"]["data"][0::2] == ["red", "green"]
    assert outputs["confidence"]["data"][0] > 0.99


async def test_no_pictures_have_outputs_of_as_many_axes(client: httpx.AsyncClient) -> None:
    tensor = {"name": "image", "shape": [0], "datatype": "BYTES", "data": []}
    answer = (await client.post("/v2/models/resnet50/infer", json={"inputs": [tensor]})).json()
    outputs = {output["name"]: (output["datatype"], output["shape"]) for output in answer["outputs"]}
    assert outputs == {"class_id": ("INT64", [0, 2]), "confidence": ("FP32", [0, 2]), "label": ("BYTES", [0, 2])}


async def test_classes_are_counted(client: httpx.AsyncClient) -> None:
    await client.post("/predict", files=pictures.upload(pictures.picture()))
    assert 'predictions_total{class="green"} 1.0' in (await client.get("/metrics")).text


async def test_a_url_into_this_machine_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict/url", json={"url": "http://127.0.0.1/a.jpg"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:modelserve:problem:url-refused"


class Shelf(Fetcher):
    """Has one picture, under any URL."""

    def __init__(self, content: bytes) -> None:
        super().__init__(max_bytes=1)
        self.content = content

    async def get(self, url: str) -> bytes:
        return self.content


@pytest.fixture
async def shelved(settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app that finds the test's parameter behind every URL."""
    app = create(settings)
    assert app.model
    app = replace(app, router=routes(app.model, Shelf(request.param)))
    async with serving("classifier", app, settings) as client:
        yield client


@pytest.mark.parametrize("shelved", [pictures.picture()], indirect=True)
async def test_a_picture_behind_a_url_is_classified(shelved: httpx.AsyncClient) -> None:
    answer = (await shelved.post("/predict/url", json={"url": "https://pictures.example/a.png", "top_k": 1})).json()
    assert [one["label"] for one in answer["predictions"]] == ["green"]


@pytest.mark.parametrize("shelved", [b"<html>"], indirect=True)
async def test_what_is_no_picture_behind_a_url_is_refused(shelved: httpx.AsyncClient) -> None:
    answer = await shelved.post("/predict/url", json={"url": "https://pictures.example/a.png"})
    assert answer.status_code == 415


def test_settings_of_its_own_are_read_beside_those_of_every_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOP_K_PREDICTIONS", "3")
    monkeypatch.setenv("URL_PORTS", "80,8080")
    monkeypatch.setenv("MODEL_STORES", "/a:/b")
    settings = Settings()
    assert (settings.top_k_predictions, settings.url_ports) == (3, (80, 8080))
    assert settings.model_stores == (Path("/a"), Path("/b"))
    monkeypatch.setenv("TOP_K_PREDICTIONS", "0")
    with pytest.raises(ValidationError):
        Settings()


def test_a_url_is_not_longer_than_any_browser_sends() -> None:
    with pytest.raises(ValidationError):
        ByUrl(url="http://a/" + "a" * 2048)
