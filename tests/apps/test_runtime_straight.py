"""Predictions that go past the framework: to the same endpoints, with the same answers and the same errors."""

from pathlib import Path

import pytest

from tests.apps.conftest import serving
from tests.apps.doubler import app_for, settings_for

pytestmark = pytest.mark.anyio

V1 = "/v1/models/doubler:predict"
V2 = "/v2/models/doubler/infer"


async def test_predictions_do_not_ask_the_framework(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(store)
    async with serving("doubler", app_for(settings), settings) as client:

        def never(*_: object) -> None:
            raise AssertionError("the framework was asked")

        monkeypatch.setattr("fastapi.routing.APIRoute.matches", never)
        answer = await client.post(V1, json={"instances": [4]})
        assert answer.json()["predictions"][0]["doubled"] == 8


@pytest.mark.parametrize("path", [V1, V2, "/v2/models/doubler/versions/1.0.0/infer"])
async def test_other_methods_are_the_framework_s(store: Path, path: str) -> None:
    settings = settings_for(store)
    async with serving("doubler", app_for(settings), settings) as client:
        answer = await client.delete(path)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_unknown_model_is_a_problem(store: Path) -> None:
    settings = settings_for(store)
    async with serving("doubler", app_for(settings), settings) as client:
        answer = await client.post("/v2/models/other/infer", json={})
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:modelserve:problem:model-not-found"


async def test_metrics_name_the_route_and_never_the_path(store: Path) -> None:
    settings = settings_for(store)
    async with serving("doubler", app_for(settings), settings) as client:
        await client.post("/v2/models/nobody-knows-this/infer", json={})
        measured = (await client.get("/metrics")).text
    assert 'http_route="/v2/models/{name}/infer"' in measured
    assert "nobody-knows-this" not in measured
