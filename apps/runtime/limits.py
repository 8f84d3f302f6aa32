"""What one request may cost: bytes of its body, seconds, and nothing once its caller has left."""

import asyncio
import time
from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.runtime import deadline
from apps.runtime.connections import LEAVING
from apps.runtime.problems import Problem

# A form of ours has one file and a few numbers.
MAX_FILES = 4
MAX_FIELDS = 16
MAX_FIELD_BYTES = 64 * 1024

MAX_CONTAINERS = 100_000
"""Arrays and objects in a JSON text at most. Numbers are cheap, these are not: 10 MiB of empty arrays kept the event
loop, and with it every other request and probe, for seconds, and took 370 MB."""

TIMEOUT = deadline.HEADER.encode()

NEVER_SHED = "/model/reload"
"""Asks nothing of the model, and may be what helps."""


def check_containers(count: int) -> None:
    """Nothing, if a JSON text may have so many ``[`` and ``{``; those in strings count, too.

    Raises:
        Problem: 413 for more.
    """
    if count > MAX_CONTAINERS:
        raise Problem(413, "json-too-complex", f"The JSON has more than {MAX_CONTAINERS} arrays and objects.")


def containers(content: bytes) -> int:
    """Upper bound of the arrays and objects in a JSON text, told without parsing it."""
    return content.count(b"[") + content.count(b"{")


class Limits:
    """ASGI middleware. A handler is cancelled when its time is up or its caller has gone, so it must bear that."""

    def __init__(
        self, app: ASGIApp, max_body_bytes: int, timeout_s: float, overload: Callable[[], Problem | None]
    ) -> None:
        self.app = app
        self.overload = overload
        self.max_body_bytes = max_body_bytes
        self.timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on within its limits."""
        task = asyncio.current_task()
        if scope["type"] != "http" or task is None:
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        try:
            self._check(scope, headers)
            timeout_s = deadline.asked(headers.get(TIMEOUT), self.timeout_s)
        except Problem as refusal:
            await refusal.response(scope["path"])(scope, receive, send)
            return
        timeout, due = asyncio.timeout(timeout_s), deadline.current.set(time.monotonic() + timeout_s)
        call = _Call(receive, send, task, self.max_body_bytes, is_json=_is_json(headers))
        leaving: set[Callable[[], None]] = scope.get(LEAVING, set())
        leaving.add(call.leave)
        try:
            async with timeout:
                await self.app(scope, call.receive, call.send)
        except TimeoutError:
            if not timeout.expired() or call.started:
                raise
            problem = Problem(504, "deadline-exceeded", f"No answer within {timeout_s:g} s.")
            await problem.response(scope["path"])(scope, receive, send)
        except asyncio.CancelledError:
            if not call.caller_left:
                raise
            task.uncancel()
        finally:
            leaving.discard(call.leave)
            deadline.current.reset(due)

    def _check(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Nothing, if this request's body is to be read."""
        declared = int(headers.get(b"content-length", b"0"))
        if declared > self.max_body_bytes:
            raise Problem(
                413, "body-too-large", f"The body has {declared} bytes; this app takes {self.max_body_bytes}."
            )
        if scope["method"] == "POST" and scope["path"] != NEVER_SHED and (overload := self.overload()):
            raise overload


def _is_json(headers: Mapping[bytes, bytes]) -> bool:
    """Whether all of a body will be parsed as JSON; where tensors follow, who takes them apart looks at the JSON."""
    return (
        b"inference-header-content-length" not in headers and b"json" in headers.get(b"content-type", b"json").lower()
    )


class _Call:
    """One request between server and app."""

    def __init__(
        self, receive: Receive, send: Send, task: asyncio.Task[object], max_body_bytes: int, is_json: bool
    ) -> None:
        self.started = self.answered = False
        self.caller_left = False
        self._task = task
        self._max_body_bytes = max_body_bytes
        self._is_json = is_json
        self._bytes = self._containers = 0
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        message = await self._receive()
        content = message.get("body", b"")
        self._bytes += len(content)
        if self._bytes > self._max_body_bytes:  # of a body whose length was not declared
            text = f"The body has more than the {self._max_body_bytes} bytes that this app takes."
            raise Problem(413, "body-too-large", text)
        if self._is_json:
            self._containers += containers(content)
            check_containers(self._containers)
        return message

    async def send(self, message: Message) -> None:
        self.started = True
        if not message.get("more_body") and message["type"] == "http.response.body":
            self.answered = True
        await self._send(message)

    def leave(self) -> None:
        """The caller has gone."""
        if not self.answered:
            self.caller_left = True
            self._task.cancel()
