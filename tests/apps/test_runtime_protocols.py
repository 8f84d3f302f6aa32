"""The Open Inference Protocol, V1 and V2, as clients of KServe speak it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.apps.conftest import serving
from tests.apps.doubler import app_for, settings_for

pytestmark = pytest.mark.anyio

V1 = "/v1/models/doubler:predict"
V2 = "/v2/models/doubler/infer"


@pytest.fixture
async def client(store: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(store, queue=4)
    async with serving("numbers", app_for(settings), settings) as client:
        yield client


def tensor(*data: Any, **other: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "number", "datatype": "BYTES", "shape": [len(data)], "data": list(data), **other}]}


async def test_v1_lists_the_model(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/models")).json() == {"models": ["doubler"]}
    assert (await client.get("/v1/models/doubler")).json() == {"name": "doubler", "ready": True}


async def test_v1_predicts_every_instance_in_order(client: httpx.AsyncClient) -> None:
    answer = await client.post(V1, json={"instances": [1, "2", 3.33]})
    assert answer.json() == {"predictions": [{"doubled": 2.0}, {"doubled": 4.0}, {"doubled": 6.7}]}


async def test_v1_predicts_nothing_for_no_instances(client: httpx.AsyncClient) -> None:
    assert (await client.post(V1, json={"instances": []})).json() == {"predictions": []}


async def test_parameters_reach_the_app(client: httpx.AsyncClient) -> None:
    answer = await client.post(V1, json={"instances": [3.333], "parameters": {"digits": 2}})
    assert answer.json() == {"predictions": [{"doubled": 6.67}]}


@pytest.mark.parametrize("name", ["doubler", "numbers"])
async def test_the_model_answers_to_its_own_name_and_to_the_apps(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.post(f"/v1/models/{name}:predict", json={"instances": [1]})).status_code == 200
    assert (await client.get(f"/v2/models/{name}")).json()["name"] == "doubler"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "instances is missing"),
        ({"instances": 1}, 422, "no array"),
        ([1], 422, "no object"),
        ({"instances": [{}]}, 422, "no number"),
        ({"instances": [1], "parameters": 7}, 422, "parameters"),
        ({"instances": [1], "parameters": {"digits": "many"}}, 422, "digits is 'many'"),
        ({"instances": [1] * 5}, 422, "at most 4"),
    ],
)
async def test_v1_says_what_is_wrong(client: httpx.AsyncClient, body: object, status: int, said: str) -> None:
    answer = await client.post(V1, json=body)
    assert answer.status_code == status
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"instances": [NaN]}', b'{"instances": ' + b"[" * 50_000, b"\xff"])
@pytest.mark.parametrize("path", [V1, V2])
async def test_a_body_that_is_no_json_is_a_400(client: httpx.AsyncClient, path: str, content: bytes) -> None:
    answer = await client.post(path, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", [V1, V2])
async def test_another_content_type_is_a_415(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, content=b"{}", headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models/other"),
        ("POST", "/v1/models/other:predict"),
        ("GET", "/v2/models/other"),
        ("GET", "/v2/models/other/ready"),
        ("POST", "/v2/models/other/infer"),
        ("GET", "/v2/models/doubler/versions/9"),
    ],
)
async def test_a_model_that_is_not_served_is_a_404(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == 404
    assert "doubler" in answer.json()["detail"]


async def test_v2_describes_itself(client: httpx.AsyncClient) -> None:
    server = (await client.get("/v2")).json()
    assert server["name"] == "modelserve"
    assert server["extensions"] == ["binary_tensor_data"]
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    assert (await client.get("/v2/models/doubler/ready")).json() == {"name": "doubler", "ready": True}


async def test_v2_describes_the_model(client: httpx.AsyncClient) -> None:
    for path in ("/v2/models/doubler", "/v2/models/doubler/versions/1.0.0"):
        assert (await client.get(path)).json() == {
            "name": "doubler",
            "versions": ["1.0.0"],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": "number", "datatype": "BYTES", "shape": [-1]}],
            "outputs": [
                {"name": "doubled", "datatype": "FP32", "shape": [-1]},
                {"name": "sign", "datatype": "BYTES", "shape": [-1]},
            ],
        }


async def test_v2_answers_with_tensors(client: httpx.AsyncClient) -> None:
    answer = await client.post(V2, json=tensor("1", "-2") | {"id": "a"})
    assert answer.json() == {
        "model_name": "doubler",
        "model_version": "1.0.0",
        "id": "a",
        "outputs": [
            {"name": "doubled", "datatype": "FP32", "shape": [2], "data": [2.0, -4.0]},
            {"name": "sign", "datatype": "BYTES", "shape": [2], "data": ["positive", "negative"]},
        ],
    }


async def test_v2_answers_with_the_outputs_that_were_asked_for(client: httpx.AsyncClient) -> None:
    answer = await client.post(V2, json=tensor("1") | {"outputs": [{"name": "sign"}]})
    assert [output["name"] for output in answer.json()["outputs"]] == ["sign"]


async def test_v2_takes_rows_of_one(client: httpx.AsyncClient) -> None:
    answer = await client.post(V2, json=tensor(["1"], ["2"], shape=[2, 1]))
    assert answer.json()["outputs"][0]["data"] == [2.0, 4.0]


async def test_v2_serves_a_version_by_its_number(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v2/models/doubler/versions/1.0.0/infer", json=tensor("1"))).status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "array of tensors: number"),
        ({"inputs": []}, "lacks number"),
        (tensor("1", name="x"), "it must be 'number'"),
        (tensor("1", datatype="FP32"), "it must be 'BYTES'"),
        (tensor("1", shape=[2]), "1 elements"),
        (tensor("1", shape=[-1]), "no array of sizes"),
        (tensor("1", "2", shape=[1, 2]), "[n, 1]"),
        (tensor("1", data="1"), "data is no array"),
        (tensor("1") | {"outputs": [{"name": "nothing"}]}, "there is doubled, sign"),
        (tensor("1") | {"outputs": ["sign"]}, "no array of objects"),
    ],
)
async def test_v2_says_what_is_wrong(client: httpx.AsyncClient, body: object, said: str) -> None:
    answer = await client.post(V2, json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
