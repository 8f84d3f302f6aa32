"""Under load, late, or left alone: what a request gets then, and what it costs no more."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.runtime import deadline
from apps.runtime.connections import LEAVING
from apps.runtime.engine import Session
from apps.runtime.limits import Limits
from tests.apps.conftest import serving
from tests.apps.doubler import Doubler, app_for, settings_for

pytestmark = pytest.mark.anyio

PREDICT = "/v1/models/doubler:predict"
ONE = {"instances": [1]}


class Gated(Doubler):
    """A doubler that, once closed, lets batches through only when it is opened again."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.open = threading.Event()
        self.open.set()
        self.busy = threading.Event()

    def predict(self, batch: Sequence[float]) -> list[float]:
        self.busy.set()
        self.open.wait()
        return super().predict(batch)

    def close(self) -> None:
        self.open.clear()
        self.busy.clear()
        self.batches.clear()

    async def taken(self) -> None:
        await asyncio.to_thread(self.busy.wait)


def gated(store: Path, **limits: object) -> tuple[Any, Any, list[Gated]]:
    """App, settings, and the handler once it is loaded."""
    made: list[Gated] = []

    def handler(session: Session) -> Gated:
        made.append(Gated(session))
        return made[0]

    settings = settings_for(store, **limits)
    return app_for(settings, handler=handler), settings, made


async def shown(client: httpx.AsyncClient, metric: str) -> None:
    """Wait until the metrics have this line."""
    while True:
        if metric in (await client.get("/metrics")).text:
            return
        await asyncio.sleep(0)


async def test_a_full_queue_sheds_with_503_and_when_to_come_back(store: Path) -> None:
    app, settings, made = gated(store, queue=1)
    async with serving("doubler", app, settings) as client:
        made[0].close()
        running = asyncio.create_task(client.post(PREDICT, json=ONE))
        await made[0].taken()
        waiting = asyncio.create_task(client.post(PREDICT, json=ONE))
        await shown(client, "inference_queue_depth 1.0")
        shed = await client.post(PREDICT, json=ONE)
        assert shed.status_code == 503
        assert shed.headers["retry-after"] == "1"
        assert shed.json()["type"] == "urn:modelserve:problem:overloaded"
        assert (await client.get("/ready")).status_code == 200
        made[0].open.set()
        assert [answer.status_code for answer in await asyncio.gather(running, waiting)] == [200, 200]
        assert "requests_shed_total 1.0" in (await client.get("/metrics")).text


async def test_a_request_that_waited_too_long_is_never_run(store: Path) -> None:
    app, settings, made = gated(store, request_timeout_s=0.05)
    async with serving("doubler", app, settings) as client:
        made[0].close()
        first = asyncio.create_task(client.post(PREDICT, json={"instances": [1]}))
        await made[0].taken()
        late = await client.post(PREDICT, json={"instances": [2, 3]})
        assert late.status_code == 504
        assert late.headers["content-type"] == "application/problem+json"
        assert (await first).status_code == 504
        made[0].open.set()
        assert (await client.post(PREDICT, json=ONE)).status_code == 200
        assert made[0].batches == [1, 1]
        assert "instances_dropped_total 2.0" in (await client.get("/metrics")).text


async def test_a_caller_s_own_time_out_ends_a_request_sooner(store: Path) -> None:
    app, settings, made = gated(store)
    async with serving("doubler", app, settings) as client:
        made[0].close()
        first = asyncio.create_task(client.post(PREDICT, json=ONE))
        await made[0].taken()
        late = await client.post(PREDICT, json={"instances": [2, 3]}, headers={deadline.HEADER: "20"})
        assert late.status_code == 504
        assert late.json()["detail"] == "No answer within 0.02 s."
        made[0].open.set()
        assert (await first).status_code == 200
        assert (await client.post(PREDICT, json=ONE)).status_code == 200
        assert made[0].batches == [1, 1]


async def test_a_caller_s_own_time_out_never_raises_the_app_s(store: Path) -> None:
    app, settings, made = gated(store, request_timeout_s=0.02)
    async with serving("doubler", app, settings) as client:
        made[0].close()
        late = await client.post(PREDICT, json=ONE, headers={deadline.HEADER: "60000"})
        made[0].open.set()
    assert late.json()["detail"] == "No answer within 0.02 s."


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "1e3", "soon", "", "9" * 10])
async def test_a_time_out_that_is_no_number_of_milliseconds_is_refused(store: Path, given: str) -> None:
    app, settings, _ = gated(store)
    async with serving("doubler", app, settings) as client:
        answer = await client.post(PREDICT, json=ONE, headers={deadline.HEADER: given})
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:modelserve:problem:invalid-timeout"
    assert deadline.HEADER in answer.json()["detail"]


async def test_the_time_out_is_in_the_description_of_the_api_once(store: Path) -> None:
    app, settings, _ = gated(store)
    async with serving("doubler", app, settings) as client:
        for _ in range(2):
            paths = (await client.get("/openapi.json")).json()["paths"]
            for path in ("/v1/models/{name}:predict", "/v2/models/{name}/infer"):
                names = [one["name"] for one in paths[path]["post"]["parameters"]]
                assert names.count(deadline.HEADER) == 1


async def test_a_picture_that_cannot_be_decoded_gives_its_place_back(store: Path) -> None:
    app, settings, _ = gated(store, queue=1)
    async with serving("doubler", app, settings) as client:
        for _ in range(3):
            assert (await client.post(PREDICT, json={"instances": [[]]})).status_code == 422
        assert (await client.post(PREDICT, json=ONE)).status_code == 200


async def test_what_was_asked_and_answered_is_counted(store: Path) -> None:
    app, settings, _ = gated(store)
    async with serving("doubler", app, settings) as client:
        await client.post(PREDICT, json={"instances": [1, -1, -2]})
        measured = (await client.get("/metrics")).text
    assert 'predictions_total{class="negative"} 2.0' in measured
    assert "request_preprocess_seconds_count 3.0" in measured
    assert "request_postprocess_seconds_count 1.0" in measured
    assert "inference_batch_size_sum 3.0" in measured
    assert 'model_info{alternative_for="",device="cpu",model="doubler",version="1.0.0"} 1.0' in measured


async def test_a_handler_whose_caller_left_is_cancelled() -> None:
    reached, cancelled = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    leaving: set[Callable[[], None]] = set()
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], LEAVING: leaving}
    task = asyncio.ensure_future(Limits(app, 100, 60, lambda: None)(scope, None, None))  # type: ignore[arg-type]
    await reached.wait()
    for leave in tuple(leaving):
        leave()
    await task
    assert cancelled.is_set()
    assert not leaving


async def test_who_left_after_the_answer_cancels_nothing() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body", "body": b"whole"})
        for leave in tuple(scope[LEAVING]):
            leave()
        await asyncio.sleep(0)

    async def send(message: Any) -> None:
        pass

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], LEAVING: set()}
    await Limits(app, 100, 60, lambda: None)(scope, None, send)  # type: ignore[arg-type]


async def test_a_body_of_undeclared_length_is_refused_as_soon_as_it_is_too_long(store: Path) -> None:
    read = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"x" * 60

    app, settings, _ = gated(store, max_upload_size=100)
    async with serving("doubler", app, settings) as client:
        answer = await client.post(PREDICT, content=pieces(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:modelserve:problem:body-too-large"
    assert read == 2


async def test_a_handler_that_was_cancelled_by_the_server_itself_stays_cancelled() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    task = asyncio.ensure_future(Limits(app, 100, 60, lambda: None)(scope, None, None))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
