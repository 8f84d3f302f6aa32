"""Callers who take their time, and callers who are many: others do not notice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from apps.runtime import connections
from apps.runtime.connections import Patient

pytestmark = pytest.mark.anyio

REQUEST = b"GET / HTTP/1.1\r\nhost: app\r\n\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answers before it has read anything."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def listening(keep_alive_s: int = 60, app: ASGIApp = answer) -> AsyncIterator[int]:
    """The port of a server that answers every request."""
    config = Config(app, http=Patient, timeout_keep_alive=keep_alive_s, lifespan="off", log_config=None)  # type: ignore[arg-type]
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: Patient(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]
        for one in tuple(state.connections):
            one.transport.abort()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def said(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection is closed; closed under a caller who talks, it may also be reset."""
    with suppress(ConnectionError):
        return await reader.read()
    return b""


async def test_headers_that_do_not_come_to_an_end_close_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_TIMEOUT_S", 0.05)
    async with listening() as port, connected(port) as (reader, writer):
        writer.write(REQUEST[:-2])
        assert await reader.read() == b""


async def test_dribbling_headers_gains_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_TIMEOUT_S", 0.2)
    async with listening() as port, connected(port) as (reader, writer):
        closed = asyncio.create_task(said(reader))
        writer.write(REQUEST[:-2] + b"slow: ")
        while not closed.done():
            writer.write(b"x")
            await asyncio.wait([closed], timeout=0.02)
        assert await closed == b""


async def test_a_connection_on_which_nothing_is_asked_is_closed() -> None:
    async with listening(keep_alive_s=0) as port, connected(port) as (reader, _):
        assert await reader.read() == b""


async def test_empty_lines_keep_no_connection() -> None:
    async with listening(keep_alive_s=1) as port, connected(port) as (reader, writer):
        closed = asyncio.create_task(said(reader))
        while not closed.done():
            writer.write(b"\r\n")
            await asyncio.wait([closed], timeout=0.05)
        assert await closed == b""


async def test_a_body_that_goes_on_after_its_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER_S", 0.05)
    async with listening() as port, connected(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: app\r\ncontent-length: 1000\r\n\r\nx")
        assert (await reader.read()).endswith(b"ok")


async def test_requests_one_after_the_other_share_a_connection() -> None:
    async with listening() as port, connected(port) as (reader, writer):
        for _ in range(3):
            writer.write(REQUEST)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")


async def test_requests_sent_at_once_are_all_answered() -> None:
    async with listening() as port, connected(port) as (reader, writer):
        writer.write(REQUEST * 3)
        for _ in range(3):
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")


async def test_who_works_for_a_caller_hears_that_it_has_gone() -> None:
    reached, gone = asyncio.Event(), asyncio.Event()

    async def works(scope: Scope, _receive: Receive, _send: Send) -> None:
        scope[connections.LEAVING].add(gone.set)
        reached.set()
        await gone.wait()

    async with listening(app=works) as port:
        async with connected(port) as (_, writer):
            writer.write(REQUEST)
            await reached.wait()
            assert not gone.is_set()
        await gone.wait()


async def test_more_connections_than_there_is_room_for_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patient, "room", 1)
    async with listening() as port, connected(port) as (reader, writer), connected(port) as (refused, _):
        assert await said(refused) == b""
        writer.write(REQUEST)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
