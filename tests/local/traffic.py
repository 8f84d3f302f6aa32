"""Steady requests in the background while something else happens."""

import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx


@dataclass(frozen=True)
class Answer:
    """What became of a request.

    Attributes:
        status: of HTTP; the exception's name where the connection failed.
        headers: their names in small letters.
        body: all of it.
    """

    status: int | str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


class Traffic:
    """Sends a request again and again, at times that are fixed beforehand, whatever becomes of the earlier ones.

    Nothing is sent twice: a connection that breaks is a failure.

    Attributes:
        answers: what came back, in that order.
        sent_per_second: how often it really was sent; known when it is over.
    """

    CONNECTIONS = 64
    """Each for one request at a time: 200 a second may take a third of a second each before one is sent late."""

    def __init__(self, request: httpx.Request, per_second: float) -> None:
        self.answers: list[Answer] = []
        self.sent_per_second = 0.0
        self._request, self._body, self._every_s = request, request.read(), 1 / per_second
        self._times = itertools.count()
        self._sent = 0
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._send) for _ in range(self.CONNECTIONS)]

    def __enter__(self) -> Self:
        """Start, and return once the first request is answered."""
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()
        self.more(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop after the requests in flight."""
        with self._changed:
            self._over.set()
            self.sent_per_second = self._sent / (time.monotonic() - self._started)
        for thread in self._threads:
            thread.join()

    @property
    def statuses(self) -> Counter[int | str]:
        """Answers by status."""
        return Counter(answer.status for answer in self.answers)

    def more(self, count: int, status: int | None = None) -> None:
        """Wait for that many more answers, of one status if that is given."""

        def there() -> int:
            return self.statuses[status] if status else len(self.answers)

        with self._changed:
            target = there() + count
            assert self._changed.wait_for(lambda: there() >= target, timeout=60), self.statuses

    def _send(self) -> None:
        url = self._request.url
        link = http.client.HTTPConnection(url.host, url.port, timeout=30)
        while not self._over.wait(self._started + next(self._times) * self._every_s - time.monotonic()):
            with self._changed:
                self._sent += 1
            answer = self._ask(link)
            with self._changed:
                self.answers.append(answer)
                self._changed.notify_all()
        link.close()

    def _ask(self, link: http.client.HTTPConnection) -> Answer:
        try:
            link.request(self._request.method, self._request.url.path, self._body, dict(self._request.headers))
            got = link.getresponse()
            return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
        except (OSError, http.client.HTTPException) as error:
            link.close()
            return Answer(type(error).__name__)
