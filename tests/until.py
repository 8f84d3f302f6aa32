"""Waiting for conditions, never for time."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], what: str, timeout_s: float = 15) -> None:
    """Wait for a condition; asked again at once when the last answer took a while.

    Raises:
        AssertionError: it did not come about; the message says ``what`` was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.02)
