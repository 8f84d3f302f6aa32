"""What a request leaves to be done when nobody waits for it any more: its line in the log, its metrics, its watch.

One by one, between an answer and the next request, these cost that request a third of a millisecond: they are many
small steps, in caches that the model has just emptied. Together, a few times a second, they cost a tenth of it.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context

DELAY_S = 0.05
"""How late a line of the log may be; its timestamp is that of the request."""

AT_ONCE = 64
"""Steps that may wait, so that the loop is not kept for longer than some milliseconds."""


class Afterwards:
    """Puts steps off. All methods are for the event loop's thread."""

    def __init__(self) -> None:
        self._steps: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, step: Callable[..., object], *arguments: object) -> None:
        """Take a step soon, in no request's context."""
        self._steps.append((step, arguments))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY_S, self.catch_up, context=Context())
        elif len(self._steps) == AT_ONCE:
            self._timer.cancel()
            asyncio.get_running_loop().call_soon(self.catch_up, context=Context())

    def catch_up(self) -> None:
        """Take all steps that were put off, in their order."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        steps, self._steps = self._steps, []
        for step, arguments in steps:
            try:
                step(*arguments)
            except Exception as error:  # a full disk under the log: the others must not be lost for one
                told = {"message": "what a request left to be done was not", "exception": error}
                asyncio.get_running_loop().call_exception_handler(told)
