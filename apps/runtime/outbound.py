"""Requests to other apps, in the trace of the request that caused them."""

import httpx

from apps.runtime import tracing


def client(
    base_url: str = "", timeout_s: float = 10, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """A client that passes ``traceparent`` on; proxies in the environment are ignored. Close it when done."""
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=timeout_s,
        transport=transport,
        trust_env=False,
        event_hooks={"request": [_pass_on]},
    )


async def _pass_on(request: httpx.Request) -> None:
    trace = tracing.current.get()
    if trace:
        request.headers.update(trace.headers())
