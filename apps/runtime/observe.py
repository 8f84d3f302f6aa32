"""Around every request: its trace, its duration, its line in the log, and an answer whatever happens."""

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.runtime import cache, logs, problems, tracing
from apps.runtime.drain import Drain
from apps.runtime.metrics import Metrics

log = logs.logger("apps.runtime.requests")

PROBES = frozenset({"/health", "/ready", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Paths that machines ask all the time: logged at DEBUG, and no reason to put off leaving."""

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
CLIENT_CLOSED_REQUEST = 499  # nginx's number for a caller who left before the answer


class Observe:
    """ASGI middleware; the outermost."""

    def __init__(self, app: ASGIApp, metrics: Metrics, drain: Drain) -> None:
        self.app = app
        self.metrics = metrics
        self.drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and see it answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started_at = time.perf_counter()
        trace = _trace(scope)
        token, unasked = tracing.current.set(trace), cache.outcome.set(None)
        traceparent = (b"traceparent", trace.traceparent.encode())
        probe = scope["path"] in PROBES
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                more: list[tuple[bytes, bytes]] = [traceparent]
                if self.drain.draining:
                    more.append((b"connection", b"close"))
                if (found := cache.outcome.get()) and status < HTTPStatus.BAD_REQUEST:
                    more.append((cache.HEADER, found.encode()))
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        if not probe:
            self.drain.entered()
        self.metrics.active.inc()
        try:
            await self.app(scope, receive, observed)
        except asyncio.CancelledError:  # the drain's time is up
            if status or not self.drain.draining:
                raise
            problem = problems.unavailable("leaving", "This process left before it could answer; try again.")
            await problem.response(scope["path"])(scope, receive, observed)
        except Exception:  # the last place that can still answer; the caller gets no traceback, the log does
            log.exception("request failed", method=scope["method"], path=scope["path"])
            if not status:
                await problems.internal().response(scope["path"])(scope, receive, observed)
        finally:
            if not probe:
                self.drain.left()
            self.metrics.active.dec()
            seconds = time.perf_counter() - started_at
            answered = {
                "method": scope["method"] if scope["method"] in METHODS else "_OTHER",
                "route": getattr(scope.get("route"), "path_format", "unmatched"),
                "path": scope["path"],
                "status": status or CLIENT_CLOSED_REQUEST,
                "duration_ms": round(seconds * 1000, 3),
            }
            say = log.debug if probe else log.info
            self.metrics.afterwards(self._record, say, answered, seconds, trace, time.time())
            tracing.current.reset(token)
            cache.outcome.reset(unasked)

    def _record(
        self, say: Callable[..., None], answered: dict[str, Any], seconds: float, trace: tracing.Trace, ended: float
    ) -> None:
        labels = answered["route"], answered["method"], str(answered["status"])
        self.metrics.duration.labels(*labels).observe(seconds)
        say("request", **answered, **logs.at(ended, trace))


def _trace(scope: Scope) -> tracing.Trace:
    parent = state = request_id = ""
    shadow = False
    for name, value in scope["headers"]:
        if name == b"traceparent":
            parent = value.decode("latin-1")
        elif name == b"tracestate":
            state = value.decode("latin-1")
        elif name == b"x-request-id":
            request_id = value.decode("latin-1")
        elif name == b"x-modelserve-shadow":
            shadow = True
    return tracing.continued(parent, state, request_id, shadow)
