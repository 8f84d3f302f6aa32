"""Adaptive batching: the worker takes whatever waits as soon as it is free, and never waits for more unless told to."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from apps.runtime.metrics import ModelMetrics

X = TypeVar("X")
Y = TypeVar("Y")


class QueueFull(Exception):  # noqa: N818 - says what is the matter
    """No room for more instances to wait."""


@dataclass(frozen=True, slots=True)
class Ran(Generic[Y]):
    """What the model made of one instance.

    Attributes:
        result: its prediction.
        seconds: how long the batch took that it was in.
    """

    result: Y
    seconds: float


@dataclass(slots=True, eq=False)
class _Job(Generic[X]):
    instance: X
    answer: asyncio.Future[Ran[Any]]
    since: float


class Batcher(Generic[X, Y]):
    """One thread that runs batches. All methods are for the event loop's thread."""

    def __init__(
        self,
        predict: Callable[[Sequence[X]], Sequence[Y]],
        metrics: ModelMetrics,
        max_batch: int,
        max_delay_s: float,
        capacity: int,
    ) -> None:
        self.capacity = capacity
        self._predict = predict
        self._metrics = metrics
        self._max_batch = max_batch
        self._max_delay_s = max_delay_s
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job[X] | None] = SimpleQueue()
        # Two counters with one writer each, the loop and the worker, need no lock; their difference is what waits.
        self._reserved = 0
        self._taken = 0
        metrics.queue_depth.set_function(lambda: self.waiting)
        self._worker = threading.Thread(target=self._work, name="inference", daemon=True)
        self._worker.start()

    @property
    def waiting(self) -> int:
        """Instances that have a place and have not reached the model yet."""
        return self._reserved - self._taken

    @property
    def alive(self) -> bool:
        """Whether there is a worker at all."""
        return self._worker.is_alive()

    def reserve(self, count: int) -> None:
        """Take places in the queue, before the work of decoding is done.

        Raises:
            QueueFull: there are not as many.
        """
        if self.waiting + count > self.capacity:
            raise QueueFull
        self._reserved += count

    def release(self, count: int) -> None:
        """Give places back that no instance came for."""
        self._reserved -= count

    def submit(self, instance: X) -> asyncio.Future[Ran[Y]]:
        """Queue an instance in a reserved place. Cancelled before its batch is taken, it is never run."""
        answer: asyncio.Future[Ran[Y]] = self._loop.create_future()
        self._jobs.put(_Job(instance, answer, time.perf_counter()))
        return answer

    def close(self) -> None:
        """Run what was submitted, then stop."""
        self._jobs.put(None)
        self._worker.join()

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch = self._fill(first)
            self._taken += len(batch)
            wanted = [job for job in batch if not job.answer.cancelled()]
            started = time.perf_counter()
            outcomes = self._run([job.instance for job in wanted]) if wanted else []
            seconds = time.perf_counter() - started
            self._loop.call_soon_threadsafe(self._deliver, wanted, outcomes, started, seconds, len(batch))

    def _fill(self, first: _Job[X]) -> list[_Job[X]]:
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
        except Exception as error:  # whatever a model raises belongs to its callers, never to this thread
            if len(instances) == 1:
                return [error]
            # One bad instance must not fail its neighbours.
            return [outcome for instance in instances for outcome in self._run([instance])]

    def _deliver(
        self, jobs: list[_Job[X]], outcomes: list[Y | Exception], started: float, seconds: float, taken: int
    ) -> None:
        self._metrics.dropped.inc(taken - len(jobs))
        if jobs:
            self._metrics.batch_size.observe(len(jobs))
            self._metrics.predict.observe(seconds)
        for job, outcome in zip(jobs, outcomes, strict=True):
            self._metrics.queue.observe(started - job.since)
            if job.answer.done():
                continue
            if isinstance(outcome, Exception):
                job.answer.set_exception(outcome)
            else:
                job.answer.set_result(Ran(outcome, seconds))
