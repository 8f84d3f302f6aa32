"""Requests to other apps, in the trace of the request that caused them, and within its time."""

from collections.abc import Awaitable, Callable

import httpx

from apps.runtime import deadline, logs, tracing

log = logs.logger("apps.runtime.outbound")

KEEP_ALIVE_S = 2
"""Idle connections are closed after this: before the other side does so while we send on one."""

LONGEST_RETRY_AFTER_S = 60


def client(
    base_url: str = "", timeout_s: float = 10, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """A client that passes on ``traceparent`` and what is left of the time. Close it when done.

    Proxies in the environment are ignored.
    """
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=timeout_s,
        transport=transport or httpx.AsyncHTTPTransport(limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_S)),
        trust_env=False,
        event_hooks={"request": [_pass_on]},
    )


async def twice(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """The answer to a request that changes nothing; asked again where the connection broke, as when an app rolls.

    Raises:
        httpx.TransportError: there is no answer, or it takes too long.
    """
    try:
        return await ask()
    except httpx.TimeoutException:
        raise
    except httpx.TransportError as error:
        log.info("asked again", reason=str(error) or type(error).__name__)
        return await ask()


def retry_after(response: httpx.Response) -> int:
    """Seconds that another app asks us to wait, within reason."""
    asked = response.headers.get("retry-after", "")
    return min(max(int(asked), 1), LONGEST_RETRY_AFTER_S) if asked.isdecimal() and len(asked) < 10 else 2


async def _pass_on(request: httpx.Request) -> None:
    trace = tracing.current.get()
    if trace:
        request.headers.update(trace.headers())
    request.headers.update(deadline.left())
