"""How long a caller waits: taken from the request, kept while it is handled, passed on to whom it causes to be asked.

Whoever has a time-out of their own says so, and nothing is computed that nobody waits for any more.
"""

import time
from contextvars import ContextVar
from typing import Any

from apps.runtime.problems import Problem

HEADER = "x-request-timeout-ms"

PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Milliseconds after which the caller wants no answer any more: 504 then, and what has not reached "
    "the model never does. The app's own limit stays.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}

DIGITS = 9
"""Of a number of milliseconds at most: 11 days."""

SLACK_MS = 50
"""More for those who are asked: the one who asks shall be the one to say that time is up."""

current: ContextVar[float | None] = ContextVar("deadline", default=None)
"""When the answer to the request being handled is due, as ``time.monotonic`` counts; nothing outside of requests."""


def asked(header: bytes | None, most_s: float) -> float:
    """Seconds that a request may take: those that its header asks for, or the most that any may.

    Raises:
        Problem: 400 for a header that is no number of milliseconds.
    """
    if header is None:
        return most_s
    if not header.isdigit() or len(header) > DIGITS or not int(header):
        text = f"{HEADER} is {header[:40].decode('latin-1')!r}; it must be milliseconds, 1 to {'9' * DIGITS}."
        raise Problem(400, "invalid-timeout", text)
    return min(int(header) / 1000, most_s)


def left() -> dict[str, str]:
    """The header for a request made on behalf of the one being handled: what is left of its time, and a little more."""
    due = current.get()
    return {} if due is None else {HEADER: str(max(0, int((due - time.monotonic()) * 1000)) + SLACK_MS)}


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document whose POST operations take the header."""
    for path in document.get("paths", {}).values():
        if "post" in path:
            others = [one for one in path["post"].get("parameters", ()) if one["name"] != HEADER]
            path["post"]["parameters"] = [*others, PARAMETER]
    return document
