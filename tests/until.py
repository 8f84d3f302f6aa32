"""Waiting for conditions, never for time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], object], what: str, timeout_s: float = 15) -> None:
    """Wait for a condition; asked again at once when the last answer took a while.

    Raises:
        AssertionError: it did not come about; the message says ``what`` was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.02)


async def until_asked(ask: Callable[[], Awaitable[T]], good: Callable[[T], object], what: str, timeout_s: float) -> T:
    """Ask until the answer is good, while the loop goes on; that answer.

    Raises:
        AssertionError: none was; the message says ``what`` was waited for.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while not good(answer := await ask()):  # noqa: ASYNC110 - there is nothing to be told by
                await asyncio.sleep(0.01)
            return answer
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s:g} s: {what}") from None
