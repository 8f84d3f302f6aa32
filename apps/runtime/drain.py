"""Leaving without losing a request: not ready at once, gone when nobody asks any more."""

import time

QUIET_S = 1.0
"""No request for this long, and none in flight, counts as idle: a gateway that was told has stopped sending by then."""


class Drain:
    """Follows requests, and says when the process may go.

    The first half of ``drain_s`` takes whatever still comes; the second half belongs to requests in flight.
    """

    def __init__(self, drain_s: float) -> None:
        self.drain_s = drain_s
        self.in_flight = 0
        self._began: float | None = None
        self._last_request = 0.0

    @property
    def draining(self) -> bool:
        """Whether the process was asked to go."""
        return self._began is not None

    def begin(self) -> None:
        """Stop being ready."""
        if self._began is None:
            self._began = time.monotonic()

    def entered(self) -> None:
        """A request came in."""
        self.in_flight += 1

    def left(self) -> None:
        """A request was answered."""
        self.in_flight -= 1
        self._last_request = time.monotonic()

    def over(self) -> bool:
        """Whether new requests need not be taken any more."""
        if self._began is None:
            return False
        now = time.monotonic()
        idle = self.in_flight == 0 and now - max(self._began, self._last_request) >= min(QUIET_S, self.drain_s / 2)
        return idle or now - self._began >= self.drain_s / 2
