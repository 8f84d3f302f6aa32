"""What one request may cost: bytes of its body, seconds, and nothing once its caller has left."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.runtime.problems import Problem

# A form of ours has one file and a few numbers.
MAX_FILES = 4
MAX_FIELDS = 16
MAX_FIELD_BYTES = 64 * 1024


class Limits:
    """ASGI middleware. A handler is cancelled when its time is up or its caller has gone, so it must bear that.

    Declared lengths are judged here; the framework counts the bytes of bodies that declare none.
    """

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
        refusal = self._refusal(scope)
        if refusal:
            await refusal.response(scope["path"])(scope, receive, send)
            return
        deadline = asyncio.timeout(self.timeout_s)
        call = _Call(receive, send, task)
        try:
            async with deadline:
                await self.app(scope, call.receive, call.send)
        except TimeoutError:
            if not deadline.expired() or call.started:
                raise
            problem = Problem(504, "deadline-exceeded", f"No answer within {self.timeout_s:g} s.")
            await problem.response(scope["path"])(scope, receive, send)
        except asyncio.CancelledError:
            if not call.caller_left:
                raise
            call.task.uncancel()
        finally:
            call.forget()

    def _refusal(self, scope: Scope) -> Problem | None:
        """Why not to read this request's body at all."""
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if int(declared) > self.max_body_bytes:
            text = f"The body has {int(declared)} bytes; this app takes {self.max_body_bytes}."
            return Problem(413, "body-too-large", text)
        return self.overload() if scope["method"] == "POST" else None


class _Call:
    """One request between server and app, watched for its caller's leaving once the body is complete."""

    def __init__(self, receive: Receive, send: Send, task: asyncio.Task[object]) -> None:
        self.task = task
        self.started = False
        self.caller_left = False
        self._receive = receive
        self._send = send
        self._watch: asyncio.Task[Message] | None = None
        self._has_body = False

    async def receive(self) -> Message:
        if self._watch:
            return await asyncio.shield(self._watch)
        message = await self._receive()
        if message["type"] == "http.request":
            self._has_body |= bool(message.get("body"))
            # A request without body is short; only those with one wait for a model long enough to be worth watching.
            if self._has_body and not message.get("more_body"):
                self._watch = asyncio.create_task(self._until_left())
        return message

    async def send(self, message: Message) -> None:
        self.started = True
        if not message.get("more_body") and message["type"] == "http.response.body":
            self.forget()
        await self._send(message)

    async def _until_left(self) -> Message:
        message = await self._receive()
        self.caller_left = True
        self.task.cancel()
        return message

    def forget(self) -> None:
        """Watch no longer."""
        if self._watch and not self._watch.done():
            self._watch.cancel()
