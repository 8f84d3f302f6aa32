"""Another version takes over while requests go on, and several are served side by side."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from apps.runtime import server
from apps.runtime.app import App
from apps.runtime.batching import Runner
from apps.runtime.engine import Session
from apps.runtime.model import ServedModel
from apps.runtime.settings import Settings
from tests.apps.conftest import running, serving
from tests.apps.doubler import Doubler, app_for, settings_for, write_doubler
from tests.unit.mlflow import Tracking

pytestmark = pytest.mark.anyio

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


@pytest.fixture
def tracking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Tracking]:
    """A registry with two versions, the first of them in production."""
    monkeypatch.setenv("MODELSERVE_CACHE", str(tmp_path / "cache"))
    served = Tracking()
    served.register(write_doubler(tmp_path / "made", version="1.0.0+aaaa", graph=times(2)))
    served.register(write_doubler(tmp_path / "made", version="2.0.0+bbbb", graph=times(3)), alias=None)
    yield served
    served.end()


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


async def test_reloading_serves_what_the_alias_points_at_now(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path)
    async with serving("doubler", app_for(settings), settings) as client:
        assert await answer(client) == 2
        tracking.aliases["doubler", "production"] = 2
        done = await reload(client)
        assert done.json() == {
            "name": "doubler",
            "version": "2.0.0+bbbb",
            "versions": ["2.0.0+bbbb"],
            "before": {"name": "doubler", "version": "1.0.0+aaaa"},
            "changed": True,
        }
        assert await answer(client) == 3
        assert (await client.get("/model/info")).json()["version"] == "2.0.0+bbbb"
        metrics = (await client.get("/metrics")).text
        assert 'version="2.0.0+bbbb"' in metrics
        assert "1.0.0+aaaa" not in metrics


async def test_an_alias_that_did_not_move_changes_nothing(tracking: Tracking, tmp_path: Path) -> None:
    made: list[Doubler] = []

    def handler(session: Session) -> Doubler:
        made.append(Doubler(session))
        return made[-1]

    settings = told(tracking, tmp_path)
    async with serving("doubler", app_for(settings, handler=handler), settings) as client:
        assert (await reload(client)).json()["changed"] is False
    assert len(made) == 1


async def test_a_version_may_be_asked_for_and_the_declared_one_comes_back(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path)
    async with serving("doubler", app_for(settings), settings) as client:
        assert (await reload(client, version="2.0.0+bbbb")).status_code == 200
        assert await answer(client) == 3
        assert (await reload(client)).json()["version"] == "1.0.0+aaaa"


@pytest.mark.parametrize("version", ["../2", "@", 7, ["2.0.0"], ""])
async def test_what_is_no_version_is_refused(tracking: Tracking, tmp_path: Path, version: object) -> None:
    settings = told(tracking, tmp_path)
    async with serving("doubler", app_for(settings), settings) as client:
        assert (await reload(client, version=version)).status_code == 422


async def test_without_a_token_nobody_may(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path, reload_token_file=None)
    async with serving("doubler", app_for(settings), settings) as client:
        refused = await reload(client)
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer opensesam", "Bearer ö", "Basic opensesame"])
async def test_only_who_knows_the_token_may(tracking: Tracking, tmp_path: Path, authorization: str) -> None:
    settings = told(tracking, tmp_path)
    async with serving("doubler", app_for(settings), settings) as client:
        tracking.aliases["doubler", "production"] = 2
        # Of a body that is no JSON nothing is said to strangers.
        refused = await client.post("/model/reload", content=b"{", headers=[(b"authorization", authorization.encode())])
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert await answer(client) == 2


async def test_an_empty_token_lets_nobody_in(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path)
    (tmp_path / "token").write_text("\n")
    async with serving("doubler", app_for(settings), settings) as client:
        assert (await client.post("/model/reload", headers={"Authorization": "Bearer "})).status_code == 503


@pytest.mark.parametrize(
    ("what", "status", "says"),
    [
        ("corrupt", 502, "SHA-256"),
        ("unreadable", 502, "ONNX"),
        ("gone", 404, "No doubler @production"),
        ("away", 503, "reached"),
    ],
)
async def test_a_reload_that_fails_says_why_and_leaves_what_is_served(
    tracking: Tracking, tmp_path: Path, what: str, status: int, says: str
) -> None:
    settings = told(tracking, tmp_path)
    async with serving("doubler", app_for(settings), settings) as client:
        tracking.aliases["doubler", "production"] = 2
        if what == "corrupt":
            tracking.versions[2].files["model.onnx"] = bytes(len(tracking.versions[2].files["model.onnx"]))
        elif what == "unreadable":
            tracking.register(write_doubler(tmp_path / "made", version="3.0.0", graph=b"no graph"))
        elif what == "gone":
            tracking.aliases.clear()
        else:
            tracking.end()
        refused = await reload(client)
        assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")
        assert says in refused.json()["detail"]
        assert await answer(client) == 2
        assert (await client.get("/ready")).status_code == 200
        assert (await client.get("/model/info")).json()["reloading"] is False


async def test_an_app_that_had_no_model_gets_one(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path)
    del tracking.aliases["doubler", "production"]
    app = app_for(settings)
    async with running(server.build("doubler", app, settings)) as client:
        assert app.model
        await app.model.loading
        assert (await client.get("/ready")).status_code == 503
        tracking.aliases["doubler", "production"] = 1
        assert (await reload(client)).json()["before"] is None
        assert (await client.get("/ready")).status_code == 200


async def test_the_model_takes_over_from_its_alternative(tracking: Tracking, tmp_path: Path) -> None:
    write_doubler(tmp_path / "local", "other", graph=times(5))
    del tracking.aliases["doubler", "production"]
    settings = told(tracking, tmp_path, model_alternative="other@1.0.0")
    async with serving("doubler", app_for(settings), settings) as client:
        assert await answer(client) == 5
        assert (await reload(client)).status_code == 404
        tracking.aliases["doubler", "production"] = 1
        assert (await reload(client)).json()["before"] == {"name": "other", "version": "1.0.0"}
        assert await answer(client) == 2
        assert (await client.get("/model/info")).json()["served_as_alternative_for"] is None


class Slow:
    """An app whose versions are loaded only when told, and whose first predicts only when told."""

    def __init__(self, settings: Settings) -> None:
        self.go = threading.Event()
        self.go.set()
        self.handlers: list[weakref.ref[Doubler]] = []
        self.sessions: list[weakref.ref[Session]] = []
        self.held = threading.Event()
        self.held.set()
        self.app = app_for(settings, handler=self._handler)

    def _handler(self, session: Session) -> Doubler:
        assert self.go.wait(10)
        held = self.held if not self.handlers else self.go

        class Held(Doubler):
            def predict(self, batch: Sequence[float]) -> list[float]:
                assert held.wait(10)
                return super().predict(batch)

        made = Held(session)
        self.handlers.append(weakref.ref(made))
        self.sessions.append(weakref.ref(session))
        return made


async def shown(client: httpx.AsyncClient, member: str, value: object) -> None:
    """Wait until ``/model/info`` says so."""
    while True:
        if (await client.get("/model/info")).json()[member] == value:
            return
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what the other tasks of this loop bring about."""
    while True:
        if condition():
            return
        await asyncio.sleep(0)


async def predicting(runner: Runner[Any]) -> None:
    """Wait until the only request has reached the model."""
    await until(lambda: runner._reserved and not runner.waiting)  # type: ignore[attr-defined]


async def test_one_reload_at_a_time(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path)
    slow = Slow(settings)
    async with serving("doubler", slow.app, settings) as client:
        tracking.aliases["doubler", "production"] = 2
        slow.go.clear()
        first = asyncio.create_task(reload(client))
        await shown(client, "reloading", True)
        second = await reload(client)
        assert (second.status_code, second.headers["retry-after"]) == (409, "5")
        assert await answer(client) == 2
        slow.go.set()
        assert (await first).status_code == 200
        assert (await reload(client)).status_code == 200


async def test_a_reload_goes_on_whose_caller_gave_up(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path, request_timeout_s=0.1)
    slow = Slow(settings)
    async with serving("doubler", slow.app, settings) as client:
        tracking.aliases["doubler", "production"] = 2
        slow.go.clear()
        assert (await reload(client)).status_code == 504
        slow.go.set()
        await shown(client, "version", "2.0.0+bbbb")
        assert await answer(client) == 3


async def test_what_the_old_version_took_it_answers_and_then_it_is_gone(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path)
    slow = Slow(settings)
    async with serving("doubler", slow.app, settings) as client:
        tracking.aliases["doubler", "production"] = 2
        slow.held.clear()
        taken = asyncio.create_task(answer(client))
        assert slow.app.model
        await predicting(slow.app.model.versions.loaded[0].runner)
        assert (await reload(client)).status_code == 200
        assert await answer(client) == 3
        assert not taken.done()
        slow.held.set()
        assert await taken == 2
        await until(lambda: not slow.app.model.versions._leaving)  # type: ignore[union-attr]
        gc.collect()
        assert [each() is None for each in slow.handlers] == [True, False]
        assert [each() is None for each in slow.sessions] == [True, False]


async def test_no_request_is_lost_or_mixed_up_while_versions_change(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path, queue=64)
    async with serving("doubler", app_for(settings), settings) as client:
        over = False
        seen: list[tuple[int, str, float]] = []

        async def ask() -> None:
            tensors = {"inputs": [{"name": "number", "datatype": "BYTES", "shape": [1], "data": ["1"]}]}
            while not over:
                got = await client.post("/v2/models/doubler/infer", json=tensors)
                told = got.json()
                seen.append((got.status_code, told.get("model_version"), told["outputs"][0]["data"][0]))

        asking = [asyncio.create_task(ask()) for _ in range(8)]
        for number in (2, 1, 2, 1):
            tracking.aliases["doubler", "production"] = number
            assert (await reload(client)).json()["changed"] is True
            before = len(seen)
            await until(lambda before=before: len(seen) >= before + 50)
        over = True
        await asyncio.gather(*asking)
    assert set(seen) == {(200, "1.0.0+aaaa", 2.0), (200, "2.0.0+bbbb", 3.0)}


async def test_a_full_queue_does_not_keep_a_version_from_being_replaced(tracking: Tracking, tmp_path: Path) -> None:
    settings = told(tracking, tmp_path, queue=1)
    slow = Slow(settings)
    async with serving("doubler", slow.app, settings) as client:
        slow.held.clear()
        first = asyncio.create_task(answer(client))
        assert slow.app.model
        runner = slow.app.model.versions.loaded[0].runner
        await predicting(runner)
        second = asyncio.create_task(answer(client))
        await until(lambda: runner.waiting)
        assert (await client.post(PREDICT, json={"instances": [1]})).status_code == 503
        assert (await reload(client)).status_code == 200
        slow.held.set()
        assert await asyncio.gather(first, second) == [2, 2]


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
