"""W3C Trace Context (https://www.w3.org/TR/trace-context/): taken from a request, kept for its logs, passed on."""

import random
import re
from contextvars import ContextVar
from dataclasses import dataclass

TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
SAMPLED = "01"


@dataclass(frozen=True, slots=True)
class Trace:
    """This process's part in a trace.

    Attributes:
        trace_id: 32 hex digits, the same for all that one request caused anywhere.
        span_id: 16 hex digits, of the work done for the request in this process.
        parent_id: the caller's span; empty where the trace begins here.
        flags: two hex digits; ``01`` is sampled.
        state: the caller's ``tracestate``, passed on untouched.
        request_id: the gateway's name for the request, which copies of it share; empty where none came with it.
        shadow: whether the request is a copy, whose answer nobody gets.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    flags: str = SAMPLED
    state: str = ""
    request_id: str = ""
    shadow: bool = False

    @property
    def traceparent(self) -> str:
        """The header that names this span as parent."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def headers(self) -> dict[str, str]:
        """What to send along with a request made on behalf of this one."""
        return {"traceparent": self.traceparent} | ({"tracestate": self.state} if self.state else {})


current: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""The trace of the request being handled."""


def continued(traceparent: str, tracestate: str = "", request_id: str = "", shadow: bool = False) -> Trace:
    """A new span in the caller's trace; in a trace of its own where the caller's header is absent or not valid."""
    span_id = _hex(64)
    match = TRACEPARENT.fullmatch(traceparent)
    if match:
        version, trace_id, parent_id, flags, rest = match.groups()
        # Version 00 has four fields and no more; later ones may have more. ff and ids of zeros are invalid.
        if version != "ff" and not (version == "00" and rest) and int(trace_id, 16) and int(parent_id, 16):
            return Trace(trace_id, span_id, parent_id, flags, tracestate, request_id, shadow)
    return Trace(_hex(128), span_id, request_id=request_id, shadow=shadow)


def _hex(bits: int) -> str:
    # Unique is enough, and the system's own randomness costs a tenth of a millisecond here and there.
    return f"{random.getrandbits(bits):0{bits // 4}x}"
