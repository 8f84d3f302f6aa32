"""Payload logs: which requests they have, what is in them and what never is, and that they cost requests nothing."""

import json
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from apps.runtime import payloads, watch
from apps.runtime.handler import Finding
from apps.runtime.payloads import Segments, sampled, stands_for
from apps.runtime.tracing import Trace
from tests.apps.conftest import serving
from tests.apps.doubler import Doubler, app_for, settings_for

pytestmark = pytest.mark.anyio

V1 = "/v1/models/doubler:predict"
SECRET = "4111.5"


class Watched(Doubler):
    """The doubler, with what payload logs ask for."""

    reads_text = True

    def statistics(self, instance: float) -> dict[str, float]:
        return {"size": min(abs(instance), 100)}

    def findings(self, result: float) -> list[Finding]:
        return [Finding("positive" if result > 0 else "negative", 0.75, span=(0, 1))]


def folder_of(store: Path) -> Path:
    return store / "payloads"


def written(store: Path) -> list[dict[str, Any]]:
    lines = (line for file in sorted(folder_of(store).glob("*.jsonl")) for line in file.read_text().splitlines())
    return [json.loads(line) for line in lines]


async def ask(store: Path, asked: Sequence[dict[str, Any]], **settings: Any) -> list[httpx.Response]:
    """Answers of a doubler that logs to a folder; once it has left, all is written."""
    told = settings_for(store, **{"payload_sample": 1, "payload_folder": folder_of(store), **settings})
    async with serving("doubler", app_for(told, handler=Watched), told) as client:
        return [await client.post(V1, **one) for one in asked]


def numbers(*values: object, request_id: str = "r-1", **headers: str) -> dict[str, Any]:
    return {"json": {"instances": list(values)}, "headers": {"x-request-id": request_id, **headers}}


async def test_nothing_is_logged_unless_it_is_asked_for(store: Path) -> None:
    await ask(store, [numbers(1)], payload_sample=0)
    assert written(store) == []


async def test_a_request_is_an_event_that_the_cloudevents_sdk_takes(store: Path) -> None:
    await ask(store, [numbers(3, request_id="c0ffee")])
    [line] = folder_of(store).glob("*.jsonl")
    event = JSONFormat().read(CloudEvent, line.read_text())
    assert (event.get_id(), event.get_source()) == ("c0ffee", "/doubler/doubler/1.0.0")
    assert event.get_type() == "modelserve.prediction.v1"


async def test_it_says_what_came_and_what_was_answered(store: Path) -> None:
    await ask(store, [numbers(3, -4, **{"x-modelserve-shadow": "true"})])
    [event] = written(store)
    told = event["data"]
    assert (told["app"], told["model"], told["version"], told["shadow"]) == ("doubler", "doubler", "1.0.0", True)
    assert told["duration_ms"] > 0
    assert [one["input"]["statistics"] for one in told["instances"]] == [{"size": 3}, {"size": 4}]
    assert told["instances"][1]["output"] == [{"label": "negative", "score": 0.75, "span": [0, 1]}]


async def test_the_trace_goes_on_in_it(store: Path) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    await ask(store, [numbers(1, traceparent=f"00-{trace}-b7ad6b7169203331-01")])
    [event] = written(store)
    assert event["traceparent"].split("-")[1] == trace


async def test_without_a_gateway_a_request_is_known_by_its_trace(store: Path) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    await ask(store, [numbers(1, request_id="no id!\t", traceparent=f"00-{trace}-b7ad6b7169203331-01")])
    assert written(store)[0]["id"] == trace


async def test_what_was_sent_is_not_in_it(store: Path) -> None:
    await ask(store, [numbers(SECRET)])
    assert SECRET not in json.dumps(written(store))
    assert written(store)[0]["data"]["instances"][0]["input"]["bytes"] == len(SECRET)


async def test_a_text_is_in_it_where_that_is_asked_for(store: Path) -> None:
    await ask(store, [numbers(SECRET)], payload_text=True)
    assert written(store)[0]["data"]["instances"][0]["input"]["text"] == SECRET


async def test_what_is_no_text_is_never_in_it(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watched, "reads_text", False)
    await ask(store, [numbers(SECRET)], payload_text=True)
    assert SECRET not in json.dumps(written(store))


async def test_files_are_their_owners_alone(store: Path) -> None:
    await ask(store, [numbers(1)])
    [file] = folder_of(store).glob("*.jsonl")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


async def test_without_a_folder_it_is_a_line_on_standard_output(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await ask(store, [numbers(1)], payload_folder=None)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"specversion"' in line]
    assert [event["id"] for event in events] == ["r-1"]


def test_a_copy_is_sampled_like_its_original_whatever_its_trace() -> None:
    ids = [f"request-{number}" for number in range(2000)]
    stable = [sampled(Trace("a" * 32, "b" * 16, request_id=one), 0.1) for one in ids]
    canary = [sampled(Trace("c" * 32, "d" * 16, request_id=one, shadow=True), 0.1) for one in ids]
    assert stable == canary
    assert 150 < sum(stable) < 250  # a binomial of 2000 and 0.1, ± 3.7 standard deviations


def test_a_smaller_sample_is_part_of_a_larger_one() -> None:
    traces = [Trace("a" * 32, "b" * 16, request_id=str(number)) for number in range(500)]
    assert all(sampled(trace, 0.5) for trace in traces if sampled(trace, 0.05))


async def test_an_event_says_how_many_requests_it_stands_for(store: Path) -> None:
    await ask(store, [numbers(1, request_id=str(number)) for number in range(60)], payload_sample=0.25)
    assert {event["sampledrate"] for event in written(store)} == {4}


@pytest.mark.parametrize("share", [0.7, 0.4, 0.3])
def test_events_of_a_share_that_divides_no_whole_stand_for_all_requests_together(share: float) -> None:
    traces = [Trace("a" * 32, "b" * 16, request_id=str(number)) for number in range(5000)]
    rates = [stands_for(trace, share) for trace in traces if sampled(trace, share)]
    assert {type(rate) for rate in rates} == {int}
    assert set(rates) == {int(1 / share), int(1 / share) + 1}
    assert sum(rates) == pytest.approx(5000, rel=0.07)  # 3 standard deviations of the sample at 0.3


@asynccontextmanager
async def stuck(store: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a doubler whose disk hangs until the block is left, and where three instances may wait."""
    go_on = threading.Event()
    append = Segments.append

    def wait(segments: Segments, line: bytes) -> None:
        go_on.wait(30)
        append(segments, line)

    monkeypatch.setattr(Segments, "append", wait)
    monkeypatch.setattr(watch, "CAPACITY", 3)
    told = settings_for(store, payload_sample=1, payload_folder=folder_of(store))
    async with serving("doubler", app_for(told, handler=Watched), told) as client:
        try:
            yield client
        finally:
            go_on.set()


async def test_a_disk_that_hangs_delays_no_answer_and_what_is_lost_is_counted(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stuck(store, monkeypatch) as client:
        answers = [await client.post(V1, **numbers(1)) for _ in range(10)]
        metrics = (await client.get("/metrics")).text
    assert [answer.status_code for answer in answers] == [200] * 10
    assert 'payloads_dropped_total{reason="queue-full"} 7.0' in metrics
    assert len(written(store)) == 3


async def test_a_request_of_many_instances_leaves_no_room_for_others_behind_it(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stuck(store, monkeypatch) as client:
        for one in (numbers(*range(1, 6), request_id="many"), numbers(1, request_id="behind")):
            assert (await client.post(V1, **one)).is_success
    assert [event["id"] for event in written(store)] == ["many"]


async def test_what_waits_holds_on_to_so_many_bytes_at_most(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CAPACITY_BYTES", 5)
    await ask(store, [numbers("123456", request_id="large"), numbers("1", request_id="small")])
    assert [event["id"] for event in written(store)] == ["small"]


async def test_a_full_disk_fails_no_request_and_leaves_no_part_of_a_line(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = payloads.os.write

    def full(handle: int, line: bytes) -> int:
        return real(handle, line[: len(line) // 2]) if b"lost" in line else real(handle, line)

    monkeypatch.setattr(payloads.os, "write", full)
    answers = await ask(store, [numbers(1, request_id=name) for name in ("first", "lost", "last")])
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [event["id"] for event in written(store)] == ["first", "last"]


async def test_a_handler_that_fails_to_describe_an_input_fails_no_request(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watched, "statistics", lambda _self, instance: {"inverse": 1 / instance})
    answers = await ask(store, [numbers(0), numbers(2)])
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(written(store)) == 1


def test_the_oldest_segments_go_when_the_folder_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "SEGMENT_BYTES", 100)
    monkeypatch.setattr(payloads, "FOLDER_BYTES", 300)
    segments = Segments(tmp_path)
    for number in range(50):
        segments.append(f"{number:029}\n".encode())
    sizes = [file.stat().st_size for file in tmp_path.glob("*.jsonl")]
    assert sum(sizes) <= 300
    assert max(sizes) <= 100
    last = max(tmp_path.glob("*.jsonl")).read_text().splitlines()
    assert int(last[-1]) == 49


def test_a_segment_that_somebody_deletes_is_begun_anew(tmp_path: Path) -> None:
    segments = Segments(tmp_path)
    segments.append(b"one\n")
    next(tmp_path.glob("*.jsonl")).unlink()
    segments.append(b"two\n")
    assert next(tmp_path.glob("*.jsonl")).read_text() == "two\n"
