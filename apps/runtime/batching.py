"""Adaptive batching: a free thread takes whatever waits, and never waits for more unless told to.

A thread decodes what it takes and runs it, so an instance is handed over twice, to it and back. Where more threads
decode than may run the model at once, what they have decoded waits for those that run it.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from apps.runtime import logs
from apps.runtime.engine import Lost
from apps.runtime.metrics import ModelMetrics

log = logs.logger("apps.runtime.batching")

X = TypeVar("X")
Y = TypeVar("Y")
R = TypeVar("R")


class QueueFull(Exception):  # noqa: N818 - says what is the matter
    """No room for more instances to wait."""


@dataclass(frozen=True, slots=True)
class Ran(Generic[Y]):
    """What the model made of one instance.

    Attributes:
        result: its prediction.
        decode_s: seconds that decoding it took.
        predict_s: seconds that the batch took that it was in.
        instance: what the model took, decoded.
    """

    result: Y
    decode_s: float
    predict_s: float
    instance: Any


@dataclass(slots=True, eq=False)
class _Job:
    value: Any  # what a request carried; once decoded, what the model takes
    answer: asyncio.Future[Ran[Any]]
    decode_s: float = 0.0
    since: float = 0.0


class Runner(Protocol[R]):
    """What runs a model on instances. All methods are for the event loop's thread.

    Attributes:
        capacity: instances that may wait.
    """

    capacity: int

    @property
    def waiting(self) -> int:
        """Instances that have not reached the model yet."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it can run anything."""
        ...

    def submit(self, values: Sequence[object]) -> "list[asyncio.Future[Ran[R]]]":
        """Queue what a request carried, all of it or nothing; cancelling a future gives its instance up.

        Raises:
            QueueFull: there is no room for as many.
        """
        ...

    async def close(self) -> None:
        """Stop."""
        ...


class Batcher(Generic[X, Y]):
    """Threads that decode, some of which run batches at a time. All methods are for the event loop's thread."""

    def __init__(
        self,
        decode: Callable[[object], X],
        predict: Callable[[Sequence[X]], Sequence[Y]],
        metrics: ModelMetrics,
        *,
        max_batch: int,
        max_delay_s: float,
        capacity: int,
        threads: int = 1,
        lanes: int = 1,
    ) -> None:
        self.capacity = capacity
        self._decode = decode
        self._predict = predict
        self._metrics = metrics
        self._max_batch = max_batch
        self._max_delay_s = max_delay_s
        self._loop = asyncio.get_running_loop()
        self._waiting: SimpleQueue[_Job | None] = SimpleQueue()
        self._reserved = 0
        self._lost = False
        # What threads share; the lock is held for a few instructions at a time.
        self._lock = threading.Lock()
        self._free = lanes
        self._decoded: deque[_Job] = deque()
        self._taken = 0
        self._threads = [threading.Thread(target=self._work, name="inference", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Instances that have not reached the model yet."""
        return self._reserved - self._taken

    @property
    def alive(self) -> bool:
        """Whether every thread is there, and what the model runs on."""
        return not self._lost and all(thread.is_alive() for thread in self._threads)

    def submit(self, values: Sequence[object]) -> list[asyncio.Future[Ran[Y]]]:
        """Queue what a request carried, all of it or nothing. Cancelled before its batch is taken, it is never run.

        Raises:
            QueueFull: there is no room for as many.
        """
        if self.waiting + len(values) > self.capacity:
            raise QueueFull
        self._reserved += len(values)
        jobs = [_Job(value, self._loop.create_future()) for value in values]
        for job in jobs:
            self._waiting.put(job)
        return [job.answer for job in jobs]

    async def close(self) -> None:
        """Run what was submitted, then stop. The loop goes on meanwhile."""
        self._waiting.put(None)
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = self._begun(self._filled(first))
            while batch:
                self._answer(batch)
                batch = self._next()
        self._waiting.put(None)  # for the other threads to find

    def _filled(self, first: _Job) -> list[_Job]:
        """What waits, decoded, up to a full batch."""
        batch: list[_Job] = []
        until, job = 0.0, first
        while True:
            if self._is_decoded(job):
                batch.append(job)
                until = until or job.since + self._max_delay_s
            if len(batch) == self._max_batch:
                return batch
            left = until - time.perf_counter()
            try:
                following = self._waiting.get(timeout=left) if left > 0 else self._waiting.get_nowait()
            except Empty:
                return batch
            if following is None:  # closing: for ``_work`` to find after this batch
                self._waiting.put(None)
                return batch
            job = following

    def _is_decoded(self, job: _Job) -> bool:
        started = time.perf_counter()
        try:
            if not job.answer.cancelled():
                job.value = self._decode(job.value)
        except Exception as error:  # belongs to the caller, never to this thread
            self._loop.call_soon_threadsafe(self._refuse, job, error)
            return False
        job.since = time.perf_counter()
        job.decode_s = job.since - started
        return True

    def _begun(self, batch: list[_Job]) -> list[_Job]:
        """What to run now that this is decoded; nothing, if it is left to those who run the model."""
        with self._lock:
            if batch and self._free:
                self._free -= 1
                self._taken += len(batch)
                return batch
            self._decoded.extend(batch)
            return []

    def _next(self) -> list[_Job]:
        """What to run after a batch; nothing, when the model has become free."""
        with self._lock:
            batch = [self._decoded.popleft() for _ in range(min(len(self._decoded), self._max_batch))]
            self._taken += len(batch)
            self._free += not batch
            return batch

    def _refuse(self, job: _Job, error: Exception) -> None:
        self._reserved -= 1
        if not job.answer.done():
            job.answer.set_exception(error)

    def _answer(self, batch: list[_Job]) -> None:
        wanted = [job for job in batch if not job.answer.cancelled()]
        started = time.perf_counter()
        outcomes = self._run([job.value for job in wanted]) if wanted else []
        seconds = time.perf_counter() - started
        self._loop.call_soon_threadsafe(self._deliver, wanted, outcomes, started, seconds, len(batch))

    def _run(self, instances: list[X]) -> list[Y | Exception]:
        try:
            results = self._predict(instances)
            if len(results) != len(instances):
                raise RuntimeError(f"the model answered {len(results)} of {len(instances)} instances")
            return list(results)
        except Lost as error:
            if not self._lost:
                log.exception("device lost")
            self._lost = True
            return [error] * len(instances)
        except Exception as error:  # whatever a model raises belongs to its callers, never to this thread
            if len(instances) == 1:
                return [error]
            # One bad instance must not fail its neighbours.
            return [outcome for instance in instances for outcome in self._run([instance])]

    def _deliver(
        self, jobs: list[_Job], outcomes: list[Y | Exception], started: float, seconds: float, taken: int
    ) -> None:
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.answer.done():
                continue
            if isinstance(outcome, Exception):
                job.answer.set_exception(outcome)
            else:
                job.answer.set_result(Ran(outcome, job.decode_s, seconds, job.value))
        waits = [(job.decode_s, started - job.since) for job in jobs]
        self._metrics.afterwards(self._metrics.ran, waits, seconds, taken - len(jobs))
