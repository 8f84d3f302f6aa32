"""Logs: one JSON object a line on standard output, the server's own lines among them."""

import logging
import sys
from datetime import UTC, datetime

import structlog
from structlog.typing import EventDict, WrappedLogger

from apps.runtime import tracing


def _traced(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    trace = tracing.current.get()
    if trace:
        event["trace_id"], event["span_id"] = trace.trace_id, trace.span_id
    return event


def at(moment: float, trace: tracing.Trace) -> dict[str, str]:
    """What a line has that tells of an earlier moment, in seconds since 1970, of a request's trace."""
    timestamp = datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"timestamp": timestamp, "trace_id": trace.trace_id, "span_id": trace.span_id}


def configure(level: str, app: str, revision: str = "") -> None:
    """Send everything that logs, through structlog or the standard library, to standard output as JSON lines."""

    def named(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if "source" in event:  # what structlog cannot take under its own name for the name of a logger
            event["logger"] = event.pop("source")
        event["app"] = app
        if revision:
            event["revision"] = revision
        return event

    shared = [
        structlog.processors.add_log_level,
        structlog.processors.MaybeTimeStamper(fmt="iso", utc=True),
        named,
        _traced,
        structlog.processors.format_exc_info,
    ]
    # Our own lines go out directly: a line a request by way of the standard library costs twice as much.
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_colours,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers, root.level = [handler], logging.getLevelName(level)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line a request, which the access line tells better


def _without_colours(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn's second copy of its message, for terminals
    return event


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A structured logger: ``logger(__name__).info("what happened", key=value)``."""
    return structlog.get_logger(source=name)
