"""Payload logs: a CloudEvent for a request that was answered, one JSON object a line, nothing private in it.

An event says what the input was like, not what it was: its digest, its size, a few statistics; and of the answer
labels, scores and places. Pictures are never written down, texts where ``PAYLOAD_TEXT`` says so.

Which requests are logged is decided by their id, so that every process that sees a request, or a copy of it, decides
alike, and answers of stable and canary can be laid side by side.
"""

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic_core import to_json

from apps.runtime import tracing
from apps.runtime.batching import Ran
from apps.runtime.drifting import Described
from apps.runtime.handler import Finding, Watched
from apps.runtime.settings import Settings
from models.artefact import Artefact

TYPE = "modelserve.prediction.v1"

SEGMENT_BYTES = 4 << 20
FOLDER_BYTES = 64 << 20
"""Of all segments of an app: the oldest go. A prediction takes about 700 bytes, so these are the last 90,000."""

MAX_FINDINGS = 100
MAX_TEXT = 2000
"""Findings and code points of an instance that are written down: a line must end somewhere."""

MOST_STOOD_FOR = 2**31 - 1
"""The largest Integer of CloudEvents."""

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Note:
    """A request that was answered.

    Attributes:
        artefact: the model that did.
        codec: the app's part around it, as far as it is watched.
        values: what the request carried, one for each instance; nothing where that is not to be logged.
        ran: what was made of them.
        seconds: from the model being asked to its answer, waiting included.
        trace: of the request.
        at: when it was answered, in seconds since 1970.
        payload: whether it is to be logged.
    """

    artefact: Artefact
    codec: Watched[Any, Any]
    values: Sequence[object]
    ran: Sequence[Ran[Any]]
    seconds: float
    trace: tracing.Trace
    at: float
    payload: bool


def identity(trace: tracing.Trace) -> str:
    """What tells requests apart: the gateway's id, which copies share, else that of the trace."""
    return trace.request_id if REQUEST_ID.fullmatch(trace.request_id) else trace.trace_id


def drawn(trace: tracing.Trace) -> float:
    """A number of 0 to 1 that a request has everywhere, as if it were drawn."""
    return int.from_bytes(sha256(identity(trace).encode()).digest()[:8]) / 2**64


def sampled(trace: tracing.Trace, share: float) -> bool:
    """Whether a request is among those that are logged: the same answer for it everywhere, for ``share`` of all."""
    return drawn(trace) < share


def stands_for(trace: tracing.Trace, share: float) -> int:
    """How many requests one that is sampled stands for: a whole number, as CloudEvents' sampling extension has it.

    That beside ``1 / share`` above or below, so often that all together stand for as many as there were.
    """
    return min(MOST_STOOD_FOR, int(1 / share + drawn(trace) / share))


class Payloads:
    """Writes events of one process; for one thread."""

    def __init__(self, app: str, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._segments = Segments(settings.payload_folder) if settings.payload_folder else None

    def write(self, note: Note, described: Sequence[Described]) -> None:
        """Write one event, of a request whose instances are described.

        Raises:
            OSError: it could not be written.
        """
        line = JSONFormat().write(self.event(note, described)) + b"\n"
        if self._segments:
            self._segments.append(line)
        else:
            sys.stdout.write(line.decode())  # one call: lines of the log, from other threads, stay whole
            sys.stdout.flush()

    def event(self, note: Note, described: Sequence[Described]) -> CloudEvent:
        """What is written of a request."""
        name, version = note.artefact.name, note.artefact.version
        attributes: dict[str, Any] = {
            "specversion": "1.0",
            "id": identity(note.trace),
            "source": f"/{self._app}/{name}/{version}",
            "type": TYPE,
            "time": datetime.fromtimestamp(note.at, UTC),
            "datacontenttype": "application/json",
            "traceparent": note.trace.traceparent,
        }
        if self._settings.payload_sample < 1:
            attributes["sampledrate"] = stands_for(note.trace, self._settings.payload_sample)
        instances = [
            {
                "input": self._input(note.codec, value, statistics),
                "output": [_said(one) for one in findings[:MAX_FINDINGS]],
            }
            for value, (statistics, findings) in zip(note.values, described, strict=True)
        ]
        return CloudEvent(
            attributes,
            {
                "app": self._app,
                "revision": self._settings.app_revision,
                "model": name,
                "version": version,
                "asked_for": self._settings.model_version,
                "shadow": note.trace.shadow,
                "duration_ms": round(note.seconds * 1000, 3),
                "instances": instances,
            },
        )

    def _input(self, codec: Watched[Any, Any], value: object, statistics: Mapping[str, float]) -> dict[str, Any]:
        content = _content(value)
        about: dict[str, Any] = {
            "sha256": sha256(content).hexdigest(),
            "bytes": len(content),
            "statistics": {name: round(one, 6) for name, one in statistics.items()},
        }
        if codec.reads_text and self._settings.payload_text:
            about["text"] = content.decode(errors="replace")[:MAX_TEXT]
        return about


def _said(finding: Finding) -> dict[str, Any]:
    said: dict[str, Any] = {"label": finding.label, "score": round(finding.score, 6)}
    if finding.span:
        said["span"] = list(finding.span)
    if finding.box:
        said["box"] = [round(length, 2) for length in finding.box]
    return said


def _content(value: object) -> bytes:
    """The bytes that a request carried for an instance."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return to_json(value, fallback=lambda row: row.tolist() if hasattr(row, "tolist") else str(row))


class Segments:
    """Files of limited size in a folder that many processes may share; the oldest go.

    A line is written in one piece to a file of the process's own, which is opened for each: a file that is deleted, or
    a disk that was full, is no matter for the next line.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: Path | None = None

    def append(self, line: bytes) -> None:
        """Add a line.

        Raises:
            OSError: it could not be written, and no part of it stays.
        """
        if self._file is None or _size(self._file) + len(line) > SEGMENT_BYTES:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._folder / f"{time.time_ns():020}-{os.getpid()}.jsonl"
            self._prune()
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            before = os.fstat(handle).st_size
            try:
                if os.write(handle, line) < len(line):
                    raise OSError("only a part of the line was written")
            except OSError:
                os.ftruncate(handle, before)
                raise
        finally:
            os.close(handle)

    def _prune(self) -> None:
        """Make room for another segment."""
        kept = SEGMENT_BYTES
        for file in sorted(self._folder.glob("*.jsonl"), reverse=True):
            kept += _size(file)
            if kept > FOLDER_BYTES:
                file.unlink(missing_ok=True)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
