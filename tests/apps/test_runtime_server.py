"""What every app answers, whatever it serves."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, UploadFile
from pydantic import BaseModel

from apps.runtime import outbound, server
from apps.runtime.app import App
from apps.runtime.settings import Settings
from tests.apps.conftest import running, serving
from tests.apps.doubler import app_for, settings_for

pytestmark = pytest.mark.anyio

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Note(BaseModel):
    text: str


def plain(**settings: object) -> tuple[App, Settings]:
    """An app without a model, with a few routes to ask."""
    router = APIRouter()

    @router.get("/crash")
    async def crash() -> None:
        raise RuntimeError("the password is 1234")

    @router.post("/notes")
    async def notes(note: Note) -> str:
        return note.text

    @router.post("/files")
    async def files(file: UploadFile) -> int:
        return len(await file.read())

    return App("Answers.", router), Settings(**settings)  # type: ignore[arg-type]


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    """The problem in an answer that must be one."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert {"type", "title", "detail", "instance"} <= body.keys()
    return body


async def test_an_app_without_a_model_is_alive_and_ready() -> None:
    async with serving("plain", *plain()) as client:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).status_code == 200
        assert (await client.get("/model/info")).json() == {"app": "plain", "revision": "", "model": None}


async def test_an_app_that_says_why_it_cannot_serve_is_not_ready() -> None:
    async def no_database() -> str | None:
        return "The database does not answer."

    app = App("Needs a database.", APIRouter(), ready=no_database)
    async with serving("plain", app, Settings()) as client:
        assert problem(await client.get("/ready"), 503)["detail"] == "The database does not answer."
        assert (await client.get("/health")).status_code == 200


async def test_a_path_that_is_not_there_is_a_problem() -> None:
    async with serving("plain", *plain()) as client:
        assert "/nowhere" in str(problem(await client.get("/nowhere"), 404)["detail"])


async def test_a_method_that_is_not_taken_is_a_problem_with_the_ones_that_are() -> None:
    async with serving("plain", *plain()) as client:
        answer = await client.delete("/health")
        problem(answer, 405)
        assert answer.headers["allow"] == "GET"


async def test_a_crash_is_a_problem_that_tells_the_trace_and_not_the_cause() -> None:
    async with serving("plain", *plain()) as client:
        answer = await client.get("/crash", headers={"traceparent": PARENT})
    assert PARENT.split("-")[1] in str(problem(answer, 500)["detail"])
    assert "1234" not in answer.text


async def test_a_wrong_member_is_named() -> None:
    async with serving("plain", *plain()) as client:
        assert "body.text" in str(problem(await client.post("/notes", json={"text": 7}), 422)["detail"])


@pytest.mark.parametrize("body", [b'{"text": ', b'{"text": "a"', b"[" * 100_000, b'{"a":' * 100_000])
async def test_malformed_json_is_a_problem_however_deep_it_is(body: bytes) -> None:
    async with serving("plain", *plain()) as client:
        problem(await client.post("/notes", content=body, headers={"content-type": "application/json"}), 400)


async def test_a_declared_body_over_the_limit_is_refused_unread() -> None:
    async with serving("plain", *plain(max_upload_size=100)) as client:
        assert "100" in str(problem(await client.post("/notes", content=b"x" * 101), 413)["detail"])


async def test_a_body_of_undeclared_length_is_refused_at_the_limit() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 10

    async with serving("plain", *plain(max_upload_size=100)) as client:
        problem(await client.post("/notes", content=chunks(), headers={"content-type": "application/json"}), 413)


async def test_a_form_with_too_many_files_is_refused() -> None:
    async with serving("plain", *plain()) as client:
        problem(await client.post("/files", files=[("file", b"x")] * 5), 400)


async def test_a_form_with_too_many_fields_is_refused() -> None:
    async with serving("plain", *plain()) as client:
        fields = {str(number): "x" for number in range(17)}
        problem(await client.post("/files", data=fields, files={"file": b"x"}), 400)


async def test_a_form_with_a_field_that_is_too_long_is_refused() -> None:
    async with serving("plain", *plain()) as client:
        problem(await client.post("/files", data={"field": "x" * 65_537}, files={"file": b"x"}), 400)


async def test_a_trace_is_continued_under_a_span_of_our_own() -> None:
    async with serving("plain", *plain()) as client:
        returned = (await client.get("/health", headers={"traceparent": PARENT})).headers["traceparent"]
    version, trace_id, span_id, flags = returned.split("-")
    assert (version, trace_id, flags) == ("00", "0af7651916cd43dd8448eb211c80319c", "01")
    assert span_id != "b7ad6b7169203331"


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "nonsense",
        f"ff{PARENT[2:]}",
        f"{PARENT}-more",
        PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        PARENT.replace("b7ad6b7169203331", "0" * 16),
        PARENT.upper(),
    ],
)
async def test_a_broken_trace_begins_anew(broken: str) -> None:
    async with serving("plain", *plain()) as client:
        returned = (await client.get("/health", headers={"traceparent": broken})).headers["traceparent"]
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", returned)
    assert returned[3:35] not in ("0af7651916cd43dd8448eb211c80319c", "0" * 32)


async def test_a_trace_is_passed_on_to_other_apps() -> None:
    heard: list[httpx.Request] = []

    def other(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        return httpx.Response(200)

    router = APIRouter()

    @router.get("/ask")
    async def ask() -> None:
        async with outbound.client("http://other", transport=httpx.MockTransport(other)) as client:
            await client.get("/")

    async with serving("asking", App("Asks.", router), Settings()) as client:
        answer = await client.get("/ask", headers={"traceparent": PARENT, "tracestate": "vendor=1"})
    assert heard[0].headers["traceparent"] == answer.headers["traceparent"]
    assert heard[0].headers["tracestate"] == "vendor=1"


async def test_a_request_is_counted_under_its_route_and_not_its_path() -> None:
    router = APIRouter(prefix="/things")

    @router.get("/{number}")
    async def thing(number: int) -> int:
        return number

    async with serving("things", App("Things.", router), Settings()) as client:
        for path in ("/things/1", "/things/2", "/nowhere"):
            await client.get(path)
        measured = (await client.get("/metrics")).text
    count = "http_server_request_duration_seconds_count"
    labels = 'http_request_method="GET",http_response_status_code="{}",http_route="{}"'
    assert f"{count}{{{labels.format(200, '/things/{number}')}}} 2.0" in measured
    assert f"{count}{{{labels.format(404, 'unmatched')}}} 1.0" in measured
    assert "/things/1" not in measured


async def test_the_process_is_measured_too() -> None:
    async with serving("plain", *plain()) as client:
        measured = (await client.get("/metrics")).text
    assert "process_resident_memory_bytes" in measured
    assert "http_server_active_requests 1.0" in measured


async def test_documentation_finds_its_description_behind_any_prefix() -> None:
    async with serving("plain", *plain()) as client:
        for page in ("/docs", "/redoc"):
            text = (await client.get(page)).text
            assert '"openapi.json"' in text or "'openapi.json'" in text
            assert "/openapi.json" not in text
        description = (await client.get("/openapi.json")).json()
    assert description["servers"] == [{"url": "."}]
    assert "/notes" in description["paths"]


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_documentation_needs_nothing_from_elsewhere(page: str) -> None:
    async with serving("plain", *plain()) as client:
        wanted = re.findall(r'(?:src|href)="([^"]*)"', (await client.get(page)).text)
        assert [one for one in wanted if one.endswith(".js")]
        for one in wanted:
            assert not re.match(r"[a-z]+:|/", one), "absolute: fails without a network, or behind a prefix"
            assert (await client.get(f"/{one}")).status_code == 200


async def test_an_answer_that_takes_too_long_is_given_up() -> None:
    router = APIRouter()

    @router.get("/forever")
    async def forever() -> None:
        await asyncio.Event().wait()

    async with serving("late", App("Never answers.", router), Settings(request_timeout_s=0.01)) as client:
        assert "0.01 s" in str(problem(await client.get("/forever"), 504)["detail"])


async def test_while_it_drains_an_app_is_not_ready_but_still_answers() -> None:
    app, settings = plain()
    served = server.build("plain", app, settings)
    async with running(served) as client:
        served.drain.begin()
        problem(await client.get("/ready"), 503)
        answer = await client.post("/notes", json={"text": "still here"})
        assert answer.json() == "still here"
        assert answer.headers["connection"] == "close"


async def test_the_model_routes_carry_the_error_where_their_clients_look(store: Path) -> None:
    settings = settings_for(store)
    async with serving("doubler", app_for(settings), settings) as client:
        body = problem(await client.get("/v2/models/other"), 404)
    assert body["error"] == body["detail"]
