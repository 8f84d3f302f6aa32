"""Under load, late, or left alone: what a request gets then, and what it costs no more."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

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
    cancelled = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    messages = [{"type": "http.request", "body": b"x"}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    await Limits(app, 100, 60, lambda: None)(scope, receive, send)
    assert cancelled.is_set()
    assert sent == []


async def test_a_handler_that_was_cancelled_by_the_server_itself_stays_cancelled() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    task = asyncio.ensure_future(Limits(app, 100, 60, lambda: None)(scope, None, None))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
