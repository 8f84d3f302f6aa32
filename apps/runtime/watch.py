"""Behind the back of requests: what was asked and answered is watched for drift and logged, in a thread of its own.

A request leaves a note and goes on. Notes that find the queue full are dropped and counted; nothing that happens to
them reaches a request.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from prometheus_client import CollectorRegistry, Counter

from apps.runtime import logs, tracing
from apps.runtime.batching import Ran
from apps.runtime.drifting import Drift
from apps.runtime.handler import Codec, Watched
from apps.runtime.payloads import Note, Payloads, sampled
from apps.runtime.settings import Settings
from models.artefact import Artefact

log = logs.logger("apps.runtime.watch")

CAPACITY = 64
"""Notes that may wait. Each holds on to decoded instances: 64 pictures of 224 x 224 are 40 MB."""

COMPLAIN_S = 60.0
"""A full disk is said once a minute, not for each request."""


Serving = tuple[Artefact, ...]
"""The models of a process."""


class Watch:
    """What sees the answers of one app. ``saw`` is for the event loop's thread."""

    def __init__(self, app: str, settings: Settings, registry: CollectorRegistry) -> None:
        self._sample = settings.payload_sample
        self._payloads = Payloads(app, settings) if settings.payload_sample else None
        self._drift = Drift(app, settings, registry) if settings.drift_run_length else None
        self._notes: SimpleQueue[Note | Serving | None] = SimpleQueue()
        self._complain_at = 0.0
        self._logged = Counter("payloads_logged", "Requests whose payload was logged.", registry=registry)
        dropped = Counter("payloads_dropped", "Payloads that were lost.", ["reason"], registry=registry)
        self._full, self._failed = (dropped.labels(reason) for reason in ("queue-full", "failed"))

    @contextmanager
    def running(self) -> Iterator["Watch"]:
        """See to what is noted; in the end, to what is left."""
        thread = threading.Thread(target=self._see_all, name="watch", daemon=True)
        thread.start()
        yield self
        self._notes.put(None)
        thread.join(timeout=5)  # a disk that hangs must not keep the process from leaving

    def saw(
        self,
        artefact: Artefact,
        codec: Codec[Any, Any, Any],
        values: Sequence[object],
        ran: Sequence[Ran[Any]],
        seconds: float,
    ) -> None:
        """Note a request that was answered. Takes microseconds and raises nothing."""
        trace = tracing.current.get()
        if trace is None or not isinstance(codec, Watched):
            return
        payload = self._payloads is not None and sampled(trace, self._sample)
        if not payload and not (self._drift and self._drift.watches(artefact)):
            return
        if self._notes.qsize() >= CAPACITY:
            self._full.inc(payload)
            return
        self._notes.put(Note(artefact, codec, values, ran, seconds, trace, time.time(), payload))

    def serve(self, artefacts: Serving) -> None:
        """Note what is served from now on."""
        self._notes.put(artefacts)

    def _see_all(self) -> None:
        while (note := self._notes.get()) is not None:
            try:
                if isinstance(note, Note):
                    self._see(note)
                elif self._drift:
                    self._drift.serve(note)
            except Exception as error:  # a note is lost, never the thread
                self._failed.inc()
                if time.monotonic() >= self._complain_at:
                    self._complain_at = time.monotonic() + COMPLAIN_S
                    log.warning("what was answered is lost", reason=f"{type(error).__name__}: {error}")

    def _see(self, note: Note) -> None:
        described = [(note.codec.statistics(one.instance), note.codec.findings(one.result)) for one in note.ran]
        if self._drift:
            self._drift.see(note.artefact, described)
        if self._payloads and note.payload:
            self._payloads.write(note, described)
            self._logged.inc()
