"""Several versions served side by side."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from apps.runtime import server, versions
from apps.runtime.app import App
from apps.runtime.model import ServedModel
from tests.apps.conftest import running, serving
from tests.apps.doubler import app_for
from tests.apps.reloading import answer, reload, told
from tests.unit.mlflow import Tracking
from tests.until import until_asked

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def both(tracking: Tracking, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = told(tracking, tmp_path, model_version="2.0.0+bbbb", model_also=("1.0.0+aaaa",))
    async with serving("doubler", app_for(settings), settings) as client:
        yield client


async def infer(client: httpx.AsyncClient, of: str) -> httpx.Response:
    tensors = {"inputs": [{"name": "number", "datatype": "BYTES", "shape": [1], "data": ["1"]}]}
    return await client.post(f"/v2/models/doubler{of}/infer", json=tensors)


@pytest.mark.parametrize(
    ("of", "version", "result"),
    [("", "2.0.0+bbbb", 3), ("/versions/2.0.0+bbbb", "2.0.0+bbbb", 3), ("/versions/1.0.0+aaaa", "1.0.0+aaaa", 2)],
)
async def test_two_versions_answer_by_name_and_the_declared_one_without(
    tracking: Tracking, tmp_path: Path, of: str, version: str, result: float
) -> None:
    async with both(tracking, tmp_path) as client:
        told = (await infer(client, of)).json()
        assert (told["model_version"], told["outputs"][0]["data"]) == (version, [result])
        assert (await client.get(f"/v2/models/doubler{of}/ready")).status_code == 200
        assert (await client.get(f"/v2/models/doubler{of}")).json()["versions"] == ["2.0.0+bbbb", "1.0.0+aaaa"]


@pytest.mark.parametrize("what", ["", "/ready", "/infer"])
async def test_a_version_that_is_not_loaded_is_a_problem_that_lists_those_that_are(
    tracking: Tracking, tmp_path: Path, what: str
) -> None:
    async with both(tracking, tmp_path) as client:
        path = f"/v2/models/doubler/versions/3.0.0{what}"
        refused = await (infer(client, "/versions/3.0.0") if what == "/infer" else client.get(path))
        assert refused.status_code == 404
        assert refused.json()["loaded"] == ["2.0.0+bbbb", "1.0.0+aaaa"]
        assert "3.0.0" in refused.json()["error"]


async def test_what_is_served_beside_stays_when_the_other_changes(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path, model_also=("1.0.0+aaaa",))
    async with serving("doubler", app_for(settings), settings) as client:
        assert (await client.get("/model/info")).json()["versions"] == ["1.0.0+aaaa"]
        tracking.aliases["doubler", "production"] = 2
        assert (await reload(client)).json()["versions"] == ["2.0.0+bbbb", "1.0.0+aaaa"]
        assert (await infer(client, "/versions/1.0.0+aaaa")).status_code == 200


async def test_a_version_beside_that_is_missing_keeps_the_app_from_being_ready(
    tracking: Tracking, tmp_path: Path
) -> None:
    settings = told(tracking, tmp_path, model_also=("7.0.0",))
    app: App = app_for(settings)
    async with running(server.build("doubler", app, settings)) as client:
        assert isinstance(app.model, ServedModel)
        await app.model.loading
        assert "No doubler 7.0.0" in (await client.get("/ready")).json()["detail"]


async def test_a_store_that_fails_is_asked_again_until_it_is_back(
    tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "RETRY_S", 0.01)
    tracking.broken = (503, b"")
    settings = told(tracking, tmp_path)
    async with running(server.build("doubler", app_for(settings), settings)) as client:
        ready = partial(client.get, "/ready")
        why = await until_asked(ready, lambda got: "answers 503" in got.text, "the store's answer in /ready", 15)
        assert why.status_code == 503
        tracking.broken = None
        await until_asked(ready, lambda got: got.status_code == 200, "the model", 15)
        assert await answer(client) == 2


async def test_who_does_not_want_to_wait_for_the_next_try_reloads(
    tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "RETRY_S", 3600)
    tracking.broken = (503, b"")
    settings = told(tracking, tmp_path)
    async with running(server.build("doubler", app_for(settings), settings)) as client:
        ready = partial(client.get, "/ready")
        await until_asked(ready, lambda got: "answers 503" in got.text, "the store's answer in /ready", 15)
        tracking.broken = None
        assert (await reload(client)).status_code == 200
        assert (await client.get("/ready")).status_code == 200
