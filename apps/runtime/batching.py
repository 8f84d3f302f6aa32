"""Adaptive batching: the worker takes whatever waits as soon as it is free, and never waits for more unless told to.

An instance goes from the event loop to a decoding thread, from there straight to the inference thread, and back: three
hand-overs, each some tens of microseconds. Going by way of the loop, or through an executor, would add to them.
"""

import asyncio
import threading
import time
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
    """Threads that decode, and one that runs batches. All methods are for the event loop's thread."""

    def __init__(
        self,
        decode: Callable[[object], X],
        predict: Callable[[Sequence[X]], Sequence[Y]],
        metrics: ModelMetrics,
        *,
        max_batch: int,
        max_delay_s: float,
        capacity: int,
        decoders: int = 1,
    ) -> None:
        self.capacity = capacity
        self._decode = decode
        self._predict = predict
        self._metrics = metrics
        self._max_batch = max_batch
        self._max_delay_s = max_delay_s
        self._loop = asyncio.get_running_loop()
        self._values: SimpleQueue[_Job | None] = SimpleQueue()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # Two counters with one writer each, the loop and the worker, need no lock; their difference is what waits.
        self._reserved = 0
        self._taken = 0
        self._lost = False
        self._decoders = [
            threading.Thread(target=self._decode_all, name="decode", daemon=True) for _ in range(decoders)
        ]
        self._worker = threading.Thread(target=self._work, name="inference", daemon=True)
        for thread in (*self._decoders, self._worker):
            thread.start()

    @property
    def waiting(self) -> int:
        """Instances that have not reached the model yet."""
        return self._reserved - self._taken

    @property
    def alive(self) -> bool:
        """Whether every thread is there, and what the model runs on."""
        return not self._lost and all(thread.is_alive() for thread in (*self._decoders, self._worker))

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
            self._values.put(job)
        return [job.answer for job in jobs]

    async def close(self) -> None:
        """Run what was submitted, then stop. The loop goes on meanwhile."""
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        for _ in self._decoders:
            self._values.put(None)
        for thread in self._decoders:
            thread.join()
        self._jobs.put(None)
        self._worker.join()

    def _decode_all(self) -> None:
        while (job := self._values.get()) is not None:
            started = time.perf_counter()
            try:
                if not job.answer.cancelled():
                    job.value = self._decode(job.value)
            except Exception as error:  # belongs to the caller, never to this thread
                self._loop.call_soon_threadsafe(self._refuse, job, error)
                continue
            job.since = time.perf_counter()
            job.decode_s = job.since - started
            self._jobs.put(job)

    def _refuse(self, job: _Job, error: Exception) -> None:
        self._reserved -= 1
        if not job.answer.done():
            job.answer.set_exception(error)

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch = self._fill(first)
            self._taken += len(batch)
            wanted = [job for job in batch if not job.answer.cancelled()]
            started = time.perf_counter()
            outcomes = self._run([job.value for job in wanted]) if wanted else []
            seconds = time.perf_counter() - started
            self._loop.call_soon_threadsafe(self._deliver, wanted, outcomes, started, seconds, len(batch))

    def _fill(self, first: _Job) -> list[_Job]:
        batch = [first]
        until = first.since + self._max_delay_s
        while len(batch) < self._max_batch:
            left = until - time.perf_counter()
            try:
                job = self._jobs.get(timeout=left) if left > 0 else self._jobs.get_nowait()
            except Empty:
                break
            if job is None:
                self._jobs.put(None)  # closing: for the loop above to find after this batch
                break
            batch.append(job)
        return batch

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
        self._metrics.dropped.inc(taken - len(jobs))
        if jobs:
            self._metrics.batch_size.observe(len(jobs))
            self._metrics.predict.observe(seconds)
        for job, outcome in zip(jobs, outcomes, strict=True):
            self._metrics.preprocess.observe(job.decode_s)
            self._metrics.queue.observe(started - job.since)
            if job.answer.done():
                continue
            if isinstance(outcome, Exception):
                job.answer.set_exception(outcome)
            else:
                job.answer.set_result(Ran(outcome, job.decode_s, seconds, job.value))
