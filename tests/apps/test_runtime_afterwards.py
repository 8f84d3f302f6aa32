"""What requests leave to be done: soon, in their order, and lost for nothing."""

import asyncio
from contextvars import ContextVar
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from apps.runtime import afterwards, tracing
from apps.runtime.afterwards import Afterwards
from tests.apps.conftest import serving
from tests.apps.doubler import app_for, settings_for

pytestmark = pytest.mark.anyio

of_a_request: ContextVar[str | None] = ContextVar("of a request", default=None)


async def test_steps_are_taken_by_themselves_in_their_order() -> None:
    taken, over = list[int](), asyncio.Event()
    later = Afterwards()
    for number in range(3):
        later(taken.append, number)
    later(over.set)
    assert taken == []
    await over.wait()
    assert taken == [0, 1, 2]


async def test_many_steps_wait_for_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(afterwards, "DELAY_S", 3600)
    over = asyncio.Event()
    later = Afterwards()
    for _ in range(afterwards.AT_ONCE):
        later(over.set)
    await over.wait()


async def test_who_catches_up_finds_nothing_to_be_done_twice() -> None:
    taken = list[int]()
    later = Afterwards()
    later(taken.append, 1)
    later.catch_up()
    later(taken.append, 2)
    later.catch_up()
    assert taken == [1, 2]


async def test_a_step_belongs_to_no_request() -> None:
    seen, over = list[str | None](), asyncio.Event()
    later = Afterwards()
    of_a_request.set("one")
    later(lambda: seen.append(of_a_request.get()))
    later(over.set)
    await over.wait()
    assert seen == [None]


async def test_a_step_that_fails_takes_no_other_with_it() -> None:
    told = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    taken = list[int]()
    later = Afterwards()
    later([].pop)
    later(taken.append, 1)
    later.catch_up()
    assert taken == [1]
    assert isinstance(told[0], IndexError)


async def test_a_line_of_the_log_has_the_trace_and_the_time_of_its_request(store: Path) -> None:
    settings = settings_for(store)
    traces = [tracing.continued("").trace_id for _ in range(2)]
    with capture_logs() as lines:
        async with serving("doubler", app_for(settings), settings) as client:
            for trace in traces:
                await client.get("/model/info", headers={"traceparent": f"00-{trace}-{'1' * 16}-01"})
    told = [line for line in lines if line["event"] == "request"]
    assert [line["trace_id"] for line in told] == traces
    assert told[0]["timestamp"] < told[1]["timestamp"]
