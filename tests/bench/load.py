"""Requests from a number of clients at once, timed one by one."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

import httptools
import numpy as np


@dataclass
class Timings:
    """What became of the requests of one run.

    Attributes:
        seconds: how long each answered request took.
        statuses: answers by HTTP status; 0 counts connections that broke.
        elapsed_s: from the first request to the last answer.
        refused_s: how long each of the others took.
        refusals: status line and headers of what was answered to those, as they came.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    elapsed_s: float = 0.0
    refused_s: list[float] = field(default_factory=list)
    refusals: list[bytes] = field(default_factory=list)

    def add(self, more: "Timings") -> None:
        """What became of further requests, made when those of before were over."""
        self.seconds += more.seconds
        self.refused_s += more.refused_s
        self.refusals += more.refusals
        self.statuses += more.statuses
        self.elapsed_s += more.elapsed_s

    def ms(self, percent: float) -> float:
        """A percentile of the successful requests, in milliseconds."""
        return float(np.percentile(self.seconds, percent)) * 1000

    @property
    def per_second(self) -> float:
        """Successful requests per second."""
        return len(self.seconds) / self.elapsed_s


Request = tuple[str, str, bytes, tuple[tuple[str, str], ...]]
"""Method, URL, body, headers."""


def closed_loop(request: Request, clients: int, until: Callable[[Timings], bool]) -> Timings:
    """Each client sends its next request when the last one is answered, until ``until`` says enough."""
    timings, lock = Timings(), threading.Lock()

    def client() -> None:
        with connection(request[1], timings.refusals) as ask:
            while not until(timings):
                started = time.perf_counter()
                status = ask(request)
                took = time.perf_counter() - started
                with lock:
                    timings.statuses[status] += 1
                    (timings.seconds if status < 400 and status else timings.refused_s).append(took)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    timings.elapsed_s = time.perf_counter() - started
    return timings


@contextmanager
def connection(url: str, refusals: list[bytes] | None = None) -> Iterator[Callable[[Request], int]]:
    """One kept-alive connection; a broken one counts as status 0 and is opened again.

    What is refused is added to ``refusals``: status line and headers.

    On a socket, with a parser in C: a client in Python would add half a millisecond to what is measured.
    """
    place = urlsplit(url)
    here = (place.hostname or "", place.port or 80)
    with ExitStack() as opened:
        link: socket.socket | None = None

        def ask(request: Request) -> int:
            nonlocal link
            try:
                link = link or opened.enter_context(socket.create_connection(here, timeout=60))
                link.sendall(_written(*request))
                answer = _Answer(link)
                status, last = answer.status, answer.last
                if status >= 400 and refusals is not None:
                    refusals.append(b"".join(answer.parts).partition(b"\r\n\r\n")[0])
            except (OSError, httptools.HttpParserError):
                status, last = 0, True
            if last:
                opened.close()
                link = None
            return status

        yield ask


@cache
def _written(method: str, url: str, body: bytes, headers: tuple[tuple[str, str], ...]) -> bytes:
    """A request as it goes over the wire."""
    place = urlsplit(url)
    told = (("Host", place.netloc), ("Content-Length", str(len(body))), *headers)
    lines = [f"{method} {place.path} HTTP/1.1", *(f"{name}: {value}" for name, value in told), "", ""]
    return "\r\n".join(lines).encode() + body


class _Answer:
    """The answer that is read from a socket, to its end.

    Attributes:
        status: of HTTP.
        last: whether the server closes the connection after it.
        parts: all of it, as it came.
    """

    def __init__(self, link: socket.socket) -> None:
        self._whole = False
        self.parts: list[bytes] = []
        self._parser = parser = httptools.HttpResponseParser(self)
        while not self._whole:
            read = link.recv(1 << 16)
            if not read:
                raise ConnectionError("closed before the answer's end")
            self.parts.append(read)
            parser.feed_data(read)
        self.status: int = parser.get_status_code()

    def on_message_complete(self) -> None:
        """Called by the parser, which knows only here whether the connection stays."""
        self._whole, self.last = True, not self._parser.should_keep_alive()


def multipart(name: str, content: bytes, url: str) -> Request:
    """A POST of one file."""
    boundary = "bench-boundary"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    body = head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + content + f"\r\n--{boundary}--\r\n".encode()
    return "POST", url, body, (("Content-Type", f"multipart/form-data; boundary={boundary}"),)
