"""Callers that take up connections: some say nothing, others a byte at a time."""

import asyncio
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

EVERY_S = 0.5
"""Between two bytes of a slow caller."""

AT_ONCE = 200
"""Connections opened at a time: more than a listener's backlog would only wait for each other."""


@contextmanager
def crowd(port: int, *, idle: int, slow: int) -> Iterator["Crowd"]:
    """Callers of a port of this machine, all of them connected, until they are sent away.

    Args:
        port: whom they call.
        idle: those that say nothing.
        slow: those that send headers a byte at a time, and as many that send a body so.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < idle + 2 * slow + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    there = Crowd(port)
    try:
        asyncio.run_coroutine_threadsafe(there.come(idle, slow), loop).result()
        yield there
    finally:
        asyncio.run_coroutine_threadsafe(there.leave(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Crowd:
    """Connections to one port, and what is said on some of them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._links: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._talking: list[asyncio.Task[None]] = []

    def held(self) -> int:
        """How many connections the other side has not closed."""
        return sum(not reader.at_eof() and reader.exception() is None for reader, _ in self._links)

    async def come(self, idle: int, slow: int) -> None:
        """Connect, and begin to talk."""
        starts = [b"GET /ready HTTP/1.1\r\nhost: app\r\nslow: ", b"POST /echo/ HTTP/1.1\r\nhost: app\r\n"]
        starts[1] += b"content-type: application/json\r\ncontent-length: 100000\r\n\r\n"
        says = [b""] * idle + starts * slow
        for first in range(0, len(says), AT_ONCE):
            await asyncio.gather(*map(self._link, says[first : first + AT_ONCE]))

    async def leave(self) -> None:
        """Hang up."""
        for task in self._talking:
            task.cancel()
        for _, writer in self._links:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _link(self, start: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._links.append((reader, writer))
        if start:
            writer.write(start)
            self._talking.append(asyncio.create_task(self._dribble(writer)))

    async def _dribble(self, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while not writer.is_closing():
                await asyncio.sleep(EVERY_S)
                writer.write(b"x")
                await writer.drain()
