"""A model whose graph runs elsewhere: this process makes tensors of requests, and answers of tensors."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from apps.runtime.batching import QueueFull, Ran
from apps.runtime.handler import Transformer
from apps.runtime.metrics import ModelMetrics
from apps.runtime.model import Model
from apps.runtime.remote import Predictor
from apps.runtime.settings import Settings
from apps.runtime.versions import Opened
from models.artefact import Artefact

Made = Callable[[Artefact, Path], Transformer[Any, Any, Any]]
"""Makes the app's transformer from the artefact, of which it has everything but the graph in use."""


class TransformedModel(Model):
    """A model that another process runs, which is found at a URL.

    It is ready without its predictor: requests get 503 while that is away, and start-up has no order.
    """

    def __init__(
        self, settings: Settings, made: Made, url: str, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(settings)
        self._made, self._url, self._transport = made, url, transport

    async def _opened(self, artefact: Artefact, folder: Path, metrics: ModelMetrics) -> Opened:
        transformer = await asyncio.to_thread(self._made, artefact, folder)
        predictor = Predictor(self._url, artefact, self._transport)
        return transformer, _Asking(transformer, predictor, metrics, self._settings.queue)


class _Asking:
    """Runs each request by itself, because each has its own trace and its own end; the predictor makes batches."""

    alive = True

    def __init__(
        self, transformer: Transformer[Any, Any, Any], predictor: Predictor, metrics: ModelMetrics, capacity: int
    ) -> None:
        self.capacity = capacity
        self.waiting = 0
        self._transformer = transformer
        self._predictor = predictor
        self._metrics = metrics
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, values: Sequence[object]) -> list[asyncio.Future[Ran[Any]]]:
        """Ask for what a request carried; cancelling one instance gives all of them up."""
        if self.waiting + len(values) > self.capacity:
            raise QueueFull
        self.waiting += len(values)
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Ran[Any]]] = [loop.create_future() for _ in values]
        task = asyncio.create_task(self._run(values, answers))
        self._tasks.add(task)  # the loop itself keeps no task alive
        task.add_done_callback(lambda _: self._over(task, len(values)))
        for answer in answers:
            answer.add_done_callback(lambda given_up: task.cancel() if given_up.cancelled() else None)
        return answers

    async def close(self) -> None:
        """Give up what is being asked, and the connections."""
        for task in self._tasks:
            task.cancel()
        await self._predictor.close()

    def _over(self, task: asyncio.Task[None], instances: int) -> None:
        self._tasks.discard(task)
        self.waiting -= instances
        if task.cancelled():
            self._metrics.dropped.inc(instances)

    async def _run(self, values: Sequence[object], answers: Sequence[asyncio.Future[Ran[Any]]]) -> None:
        try:
            ran = await self._answered(values)
        except Exception as error:  # belongs to the caller, who waits for it there
            for answer in answers:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for answer, one in zip(answers, ran, strict=True):
                if not answer.done():
                    answer.set_result(one)

    async def _answered(self, values: Sequence[object]) -> list[Ran[Any]]:
        started = time.perf_counter()
        instances = await asyncio.to_thread(lambda: [self._transformer.decode(value) for value in values])
        decoded = time.perf_counter()
        results = await self._transformer.predict(instances, self._predictor.infer)
        predict_s = time.perf_counter() - decoded
        decode_s = (decoded - started) / max(len(values), 1)
        for _ in values:
            self._metrics.preprocess.observe(decode_s)
        self._metrics.predict.observe(predict_s)
        self._metrics.batch_size.observe(len(values))
        return [Ran(result, decode_s, predict_s, instance) for result, instance in zip(results, instances, strict=True)]
