"""Connections of callers who take their time: the web server's own protocol has no patience to lose before it answers.

uvicorn's only time-out runs between requests and ends with the first byte of the next one: headers that arrive byte by
byte, or a body that goes on after its answer, hold a connection for ever.
"""

import asyncio
import resource
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_TIMEOUT_S = 10
"""For the headers of a request, from their first byte; the gateway gives as long."""

LINGER_S = 5
"""For the rest of a body that was answered early: closing at once would lose the answer on its way."""

MAX_CONNECTIONS = 16_384
"""Idle ones take 5 kB each."""

OTHER_FILES = 256
"""Descriptors that are none of callers' connections: the model's files, the log, databases, other services."""


LEAVING = "modelserve.leaving"
"""Where a request's scope has what is called when its caller has gone: a set to add to, and to take from again."""


class Patient(HttpToolsProtocol):
    """Closes connections that keep it waiting, and those that are too many."""

    room = MAX_CONNECTIONS
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request as long as between requests."""
        super().connection_made(transport)
        self._leaving: set[Callable[[], None]] = set()
        if len(self.connections) > self.room:
            transport.abort()
        else:
            self._wait(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer, and say so to whoever works for this caller."""
        self._stop_waiting()
        super().connection_lost(exc)
        for leave in tuple(self._leaving):
            leave()

    def on_message_begin(self) -> None:
        """Wait for the headers."""
        super().on_message_begin()
        self.scope[LEAVING] = self._leaving  # type: ignore[typeddict-unknown-key]
        self._wait(HEADERS_TIMEOUT_S)

    def on_headers_complete(self) -> None:
        """From here on the request's own deadline counts."""
        self._stop_waiting()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request; not long for the rest of a body that nobody wants any more."""
        last, unread = not self.pipeline, self.cycle.more_body
        super().on_response_complete()
        if last:
            self._wait(LINGER_S if unread else self.timeout_keep_alive)

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._late = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._late:
            self._late.cancel()


def make_room() -> None:
    """Let this process have as many connections as it may, which shells often hold far lower than the system does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft != resource.RLIM_INFINITY:
        Patient.room = max(1, min(MAX_CONNECTIONS, soft - OTHER_FILES))
