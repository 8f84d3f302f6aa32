"""Steady requests in the background while something else happens."""

import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

import httpx


class Traffic:
    """Sends GET requests at a constant rate, whatever becomes of the earlier ones.

    Attributes:
        statuses: answers by HTTP status; a failed connection counts under its exception's name.
    """

    CLIENTS = 4

    def __init__(self, url: str, per_second: int) -> None:
        self.url = url
        self.statuses: Counter[int | str] = Counter()
        self._every_s = self.CLIENTS / per_second
        self._enough = threading.Event()
        self._answered = threading.Condition()
        self._threads = [threading.Thread(target=self._send) for _ in range(self.CLIENTS)]

    def __enter__(self) -> Self:
        """Start, and return once the first requests are answered."""
        for thread in self._threads:
            thread.start()
        self.more(self.CLIENTS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop after the requests in flight."""
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Wait until that many more requests are answered."""
        with self._answered:
            target = self.statuses.total() + count
            assert self._answered.wait_for(lambda: self.statuses.total() >= target, timeout=60)

    def _send(self) -> None:
        with httpx.Client(timeout=30) as client:
            due = time.monotonic()
            while not self._enough.wait(max(0.0, due - time.monotonic())):
                due += self._every_s
                try:
                    outcome: int | str = client.get(self.url).status_code
                except httpx.HTTPError as error:
                    outcome = type(error).__name__
                with self._answered:
                    self.statuses[outcome] += 1
                    self._answered.notify_all()
