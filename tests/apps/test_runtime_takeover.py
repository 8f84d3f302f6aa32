"""Another version takes over while requests go on."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.runtime import versions
from apps.runtime.batching import Runner
from apps.runtime.engine import Session
from apps.runtime.settings import Settings
from tests.apps.conftest import serving
from tests.apps.doubler import Doubler, app_for, write_doubler
from tests.apps.reloading import PREDICT, answer, reload, times, told
from tests.unit.mlflow import Tracking

pytestmark = pytest.mark.anyio


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


@asynccontextmanager
async def slowly(tracking: Tracking, tmp_path: Path, **more: object) -> AsyncIterator[tuple[Slow, httpx.AsyncClient]]:
    settings = told(tracking, tmp_path, **more)
    slow = Slow(settings)
    async with serving("doubler", slow.app, settings) as client:
        yield slow, client


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
    async with slowly(tracking, tmp_path) as (slow, client):
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
    async with slowly(tracking, tmp_path, request_timeout_s=0.1) as (slow, client):
        tracking.aliases["doubler", "production"] = 2
        slow.go.clear()
        assert (await reload(client)).status_code == 504
        slow.go.set()
        await shown(client, "version", "2.0.0+bbbb")
        assert await answer(client) == 3


async def test_what_the_old_version_took_it_answers_and_then_it_is_gone(tracking: Tracking, tmp_path: Path) -> None:
    async with slowly(tracking, tmp_path) as (slow, client):
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
    async with slowly(tracking, tmp_path, queue=1) as (slow, client):
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
async def following(
    tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **more: object
) -> AsyncIterator[httpx.AsyncClient]:
    """An app that looks at its alias all the time."""
    monkeypatch.setattr(versions, "FOLLOW_S", 0.01)
    settings = told(tracking, tmp_path, **more)
    async with serving("doubler", app_for(settings), settings) as client:
        yield client


async def looked(tracking: Tracking, times: int = 3) -> None:
    """Wait until the alias has been asked for so many times more."""
    before = len(tracking.asked)
    await until(lambda: tracking.asked[before:].count("/api/2.0/mlflow/registered-models/alias") >= times)


async def test_every_process_follows_an_alias_that_is_moved(
    tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        following(tracking, tmp_path, monkeypatch) as one,
        following(tracking, tmp_path, monkeypatch) as other,
    ):
        for number, version in ((2, "2.0.0+bbbb"), (1, "1.0.0+aaaa")):
            tracking.aliases["doubler", "production"] = number
            for client in (one, other):
                await shown(client, "version", version)


async def test_an_alias_that_stays_has_nothing_loaded_again(
    tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(tracking, tmp_path, monkeypatch):
        verified: list[Path] = []
        monkeypatch.setattr(versions.Artefact, "load", verified.append)
        await looked(tracking)
    assert verified == []


async def test_a_version_that_was_asked_for_stays_while_the_alias_moves(
    tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        following(tracking, tmp_path, monkeypatch) as client,
        following(tracking, tmp_path, monkeypatch) as other,
    ):
        assert (await reload(client, version="1.0.0+aaaa")).status_code == 200
        tracking.aliases["doubler", "production"] = 2
        await shown(other, "version", "2.0.0+bbbb")
        assert await answer(client) == 2
        assert (await reload(client)).json()["version"] == "2.0.0+bbbb"


async def test_an_alias_that_points_at_what_cannot_be_had_changes_nothing(
    tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "FOLLOWS_S", 0.01)
    good = dict(tracking.versions[2].files)
    tracking.versions[2].files["model.onnx"] = bytes(len(good["model.onnx"]))
    async with following(tracking, tmp_path, monkeypatch) as client:
        tracking.aliases["doubler", "production"] = 2
        await looked(tracking)
        assert await answer(client) == 2
        assert (await client.get("/ready")).status_code == 200
        tracking.versions[2].files = good
        await shown(client, "version", "2.0.0+bbbb")


async def test_the_model_takes_over_from_its_alternative_by_itself(
    tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "FOLLOWS_S", 0.01)
    write_doubler(tmp_path / "local", "other", graph=times(5))
    del tracking.aliases["doubler", "production"]
    async with following(tracking, tmp_path, monkeypatch, model_alternative="other@1.0.0") as client:
        assert await answer(client) == 5
        tracking.aliases["doubler", "production"] = 1
        await shown(client, "name", "doubler")


async def test_a_reload_waits_for_what_follows_the_alias(
    tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "FOLLOW_S", 0.01)
    async with slowly(tracking, tmp_path) as (slow, client):
        slow.go.clear()
        tracking.aliases["doubler", "production"] = 2
        await shown(client, "reloading", True)
        asked = asyncio.create_task(reload(client))
        assert await answer(client) == 2
        slow.go.set()
        assert ((await asked).status_code, await answer(client)) == (200, 3)
