"""Tiny apps for the gateway to lead to, and callers that keep it busy."""

import asyncio
import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from infra.local.xds import wait

_loop = asyncio.new_event_loop()
threading.Thread(target=_loop.run_forever, daemon=True).start()


class Upstream:
    """An HTTP/1.1 server on the loopback interface that answers with what it was asked.

    ``/shed`` is answered with 503 and Retry-After, ``/slow`` when ``release`` is called.

    Attributes:
        port: where it listens, also after it was killed and revived.
        shed: whether it answers 503 to everything.
        heads: request line and headers of each request.
    """

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.port = 0
        self.shed = False
        self._held = asyncio.Event()
        self._links: set[asyncio.StreamWriter] = set()
        self.revive()

    @property
    def endpoint(self) -> str:
        """As the gateway is told of it."""
        return f"127.0.0.1:{self.port}"

    def revive(self) -> None:
        """Listen, at the same port as before."""
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), _loop).result()
        self.port = self._server.sockets[0].getsockname()[1]

    def kill(self) -> None:
        """Break all connections and listen no longer, as a killed process does."""
        asyncio.run_coroutine_threadsafe(self._break(), _loop).result()

    def leave(self) -> None:
        """Listen no longer and close what is idle, as a drained process does."""
        asyncio.run_coroutine_threadsafe(self._close(), _loop).result()

    def release(self) -> None:
        """Answer what was held back."""
        _loop.call_soon_threadsafe(self._held.set)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _close(self) -> None:
        self._server.close()

    async def _break(self) -> None:
        self._server.close()
        for link in self._links:
            link.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._links.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                await reader.readexactly(int(fields.get("content-length", "0")))
                self.heads.append(head)
                target = head.split(" ")[1]
                if target.startswith("/slow"):
                    await self._held.wait()
                shed = self.shed or target.startswith("/shed")
                status = "503 Service Unavailable\r\nretry-after: 7" if shed else "200 OK"
                body = json.dumps({"target": target, "headers": fields})
                writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._links.discard(writer)
            writer.close()


@dataclass
class Answers:
    """What callers got.

    Attributes:
        statuses: how many of each; 0 counts connections that broke.
        revisions: how many by which revision.
    """

    statuses: Counter[int] = field(default_factory=Counter[int])
    revisions: Counter[str] = field(default_factory=Counter[str])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, status: int, revision: str) -> None:
        with self._lock:
            self.statuses[status] += 1
            self.revisions[revision] += 1

    @property
    def count(self) -> int:
        with self._lock:
            return self.statuses.total()


@contextmanager
def callers(url: str, clients: int = 4, at_most: int = 1_000_000) -> Iterator[Answers]:
    """Clients that ask again as soon as they are answered, until the block ends."""
    place, answers, over = urlsplit(url), Answers(), threading.Event()

    def client() -> None:
        link = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        while not over.is_set() and answers.count < at_most:
            try:
                link.request("GET", place.path)
                answer = link.getresponse()
                answer.read()
                answers.add(answer.status, answer.headers.get("x-modelserve-revision", ""))
            except (OSError, http.client.HTTPException):
                link.close()
                answers.add(0, "")
        link.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


def answers(url: str, count: int, clients: int = 4) -> Answers:
    """What at least so many requests got."""
    with callers(url, clients, count) as got:
        assert wait(lambda: got.count >= count, 100)
    return got
