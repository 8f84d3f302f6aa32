"""Behind the back of requests: what was asked and answered is watched for drift and logged, in a thread of its own.

A request leaves a note and goes on. Notes that find the queue full are dropped and counted; nothing that happens to
them reaches a request.
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, cast

from prometheus_client import Counter

from apps.runtime import logs, tracing
from apps.runtime.batching import Ran
from apps.runtime.drifting import Drift, Served
from apps.runtime.handler import Codec, Watched
from apps.runtime.metrics import Metrics
from apps.runtime.payloads import Note, Payloads, sampled
from apps.runtime.settings import Settings
from models.artefact import Artefact

log = logs.logger("apps.runtime.watch")

CAPACITY = 32
"""Instances that may wait, or those of one request where it has more: decoded, 25 MB of pictures of 512 x 512."""

CAPACITY_BYTES = 32 << 20
"""Of what requests carried in them: an upload may have 10 MiB."""

COMPLAIN_S = 60.0
"""A full disk is said once a minute, not for each request."""


Serving = tuple[Served, ...]
"""The models of a process."""


class Watch:
    """What sees the answers of one app. ``saw`` is for the event loop's thread."""

    def __init__(self, app: str, settings: Settings, metrics: Metrics) -> None:
        registry, self._afterwards = metrics.registry, metrics.afterwards
        self._sample = settings.payload_sample
        self._payloads = Payloads(app, settings) if settings.payload_sample else None
        self._drift = Drift(app, settings, registry) if settings.drift_run_length else None
        self._notes: SimpleQueue[Note | Serving | None] = SimpleQueue()
        self._kinds: dict[type, bool] = {}
        # Bytes and instances that waiting notes have. Counters with one writer each, loop or thread, need no lock.
        self._held = self._let_go = 0
        self._noted = self._seen = 0
        self._complain_at = 0.0
        self._logged = Counter("payloads_logged", "Requests whose payload was logged.", registry=registry)
        dropped = Counter("payloads_dropped", "Payloads that were lost.", ["reason"], registry=registry)
        self._full, self._failed = (dropped.labels(reason) for reason in ("queue-full", "failed"))

    @contextmanager
    def running(self) -> Iterator["Watch"]:
        """See to what is noted; in the end, to what is left."""
        thread = threading.Thread(target=self._see_all, name="watch", daemon=True)
        thread.start()
        try:
            yield self
        finally:
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
        if trace is None or not self._describes(codec):
            return
        payload = self._payloads is not None and sampled(trace, self._sample)
        if not payload and not (self._drift and self._drift.watches(artefact)):
            return
        size = sum(map(_size, values)) if payload else 0
        waiting = self._noted - self._seen
        if (waiting and waiting + len(ran) > CAPACITY) or self._held - self._let_go + size > CAPACITY_BYTES:
            self._full.inc(payload)
            if self._drift:
                self._drift.lost(artefact, len(ran), "queue-full")
            return
        self._held += size
        self._noted += len(ran)
        kept = values if payload else ()
        watched = cast(Watched[Any, Any], codec)
        note = Note(artefact, watched, kept, ran, seconds, trace, time.time(), payload)
        # Not now, while the answer is encoded and sent: the thread would hold the interpreter.
        later = self._afterwards if waiting < CAPACITY // 2 else asyncio.get_running_loop().call_soon
        later(self._notes.put, note)

    def _describes(self, codec: object) -> bool:
        kind = type(codec)
        if kind not in self._kinds:
            self._kinds[kind] = isinstance(codec, Watched)  # looks for every member: ten microseconds
        return self._kinds[kind]

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
                self._failed.inc(isinstance(note, Note) and note.payload)
                if time.monotonic() >= self._complain_at:
                    self._complain_at = time.monotonic() + COMPLAIN_S
                    log.warning("what was answered is lost", reason=f"{type(error).__name__}: {error}")
            if isinstance(note, Note):
                self._let_go += sum(map(_size, note.values))
                self._seen += len(note.ran)

    def _see(self, note: Note) -> None:
        try:
            described = [(note.codec.statistics(one.instance), note.codec.findings(one.result)) for one in note.ran]
        except Exception:
            if self._drift:
                self._drift.lost(note.artefact, len(note.ran), "failed")
            raise
        if self._drift:
            self._drift.see(note.artefact, described)
        if self._payloads and note.payload:
            self._payloads.write(note, described)
            self._logged.inc()


def _size(value: object) -> int:
    """Bytes that a request carried for an instance, where they may be many: of a picture, a text, an object of them."""
    if isinstance(value, Mapping):
        return sum(len(one) for one in value.values() if isinstance(one, bytes | str))
    return len(value) if isinstance(value, bytes | str) else 0
