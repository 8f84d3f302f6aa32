"""The model that an app serves: loaded and warmed up in the background, then asked; see ``versions`` for its life."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from apps.runtime import engine
from apps.runtime.batching import Batcher, QueueFull, Ran
from apps.runtime.cache import Cache, Kept
from apps.runtime.handler import Handler
from apps.runtime.metrics import ModelMetrics
from apps.runtime.problems import Problem, unavailable
from apps.runtime.settings import Settings, SettingsError
from apps.runtime.versions import Loaded, Opened, Versions
from apps.runtime.watch import Watch
from models.artefact import Artefact

Load = Callable[[Artefact, Path, engine.Session], Handler[Any, Any, Any]]
"""Makes the app's handler from an artefact, the folder it is in, and its loaded graph."""

DEAD = "A thread of the model, or the device that it ran on, is gone; only a new process will serve again."


@dataclass(frozen=True)
class Answers:
    """What the model made of the instances of one request.

    Attributes:
        by: the version that made it, which encodes it, too.
        results: one for each instance.
        preprocess_s: seconds that decoding took, all instances together.
        predict_s: seconds of the longest batch that an instance was in.
        key: where to keep them once they are encoded; none to keep them nowhere.
        kept: found there, in place of results.
    """

    by: Loaded
    results: list[Any]
    preprocess_s: float
    predict_s: float
    key: str | None = None
    kept: Kept | None = None

    def times(self) -> dict[str, float]:
        """Both times in milliseconds, as apps answer them."""
        return {
            "inference_time_ms": round(self.predict_s * 1000, 3),
            "preprocessing_time_ms": round(self.preprocess_s * 1000, 3),
        }


class Model(ABC):
    """The one model of a process, in one version or several, wherever its graph runs.

    Attributes:
        versions: what is loaded of it.
        loading: done once the model is ready, or cannot become so.
    """

    loading: asyncio.Task[None]

    def __init__(self, settings: Settings) -> None:
        if not settings.model_name or not settings.model_version:
            missing = "MODEL_VERSION" if settings.model_name else "MODEL_NAME"
            raise SettingsError(f"{missing} is not set.\n  This app serves a model: give MODEL_NAME and MODEL_VERSION.")
        if settings.cache_ttl_s and not settings.redis_url_file:
            text = f"CACHE_TTL_S is {settings.cache_ttl_s}, but REDIS_URL_FILE is not set."
            raise SettingsError(f"{text}\n  Give the file with the URL of Redis, or leave CACHE_TTL_S out.")
        try:
            engine.require(settings.model_device)
        except engine.EngineError as error:
            raise SettingsError(str(error)) from None
        self._settings = settings
        self._cache: Cache | None = None
        self._watch: Watch | None = None
        self.versions = Versions(
            settings, lambda artefact, folder: self._opened(artefact, folder, self._metrics), self._serving
        )

    @asynccontextmanager
    async def running(
        self, metrics: ModelMetrics, cache: Cache | None = None, watch: Watch | None = None
    ) -> AsyncIterator[None]:
        """Load in the background for as long as the app runs; answers are kept in the cache and noted by the watch."""
        self._metrics, self._cache, self._watch = metrics, cache, watch
        metrics.queue_depth.set_function(lambda: sum(each.runner.waiting for each in self.versions.loaded))
        self.loading = self.versions.load()
        yield
        await self.versions.close()

    @property
    def not_ready(self) -> str | None:
        """Why there is no prediction to be had, or nothing."""
        if not self.versions.loaded:
            return self.versions.reason
        return self.dead

    @property
    def dead(self) -> str | None:
        """Why there is no prediction to be had from this process any more, or nothing."""
        return None if all(each.runner.alive for each in self.versions.loaded) else DEAD

    def check_ready(self) -> None:
        """Nothing, if there are predictions to be had.

        Raises:
            Problem: 503 with the reason why not.
        """
        if self.not_ready:
            raise unavailable("not-ready", self.not_ready)

    def overload(self) -> Problem | None:
        """The refusal of a request that would find the queue full; asked before its body is read."""
        full = [each.runner.waiting >= each.runner.capacity for each in self.versions.loaded]
        return self._shed() if full and all(full) else None

    @property
    def identity(self) -> tuple[str, str]:
        """Name and version of what answers where no version is named; of what was asked for until it is loaded."""
        return self.versions.loaded[0].identity if self.versions.loaded else self.versions.declared

    def info(self) -> dict[str, Any]:
        """What ``/model/info`` says."""
        name, version = self.identity
        about: dict[str, Any] = {
            "name": name,
            "version": version,
            "versions": [each.artefact.version for each in self.versions.loaded],
            "ready": self.not_ready is None,
            "reloading": bool(self.versions.loaded) and self.versions.busy,
        }
        if not self.versions.loaded:
            return about | {"not_ready": self.versions.reason}
        served = self.versions.pick()
        return {
            **about,
            "served_as_alternative_for": served.instead_of,
            "reason": served.why,
            "device": self._settings.model_device,
            **asdict(served.artefact),
        }

    def parameters(self, given: Mapping[str, Any], version: str | None = None) -> BaseModel:
        """A request's parameters, checked.

        Raises:
            Problem: 422 for a wrong one, 503 while the model is not ready, 404 for a version that is not loaded.
        """
        try:
            return self.versions.pick(version).codec.parameters.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            at = ".".join(map(str, first["loc"]))
            raise Problem(422, "invalid-parameter", f"{at} is {first['input']!r}: {first['msg']}.") from None

    def check_count(self, instances: int) -> None:
        """Nothing, if one request may have so many instances.

        Raises:
            Problem: 422 for more than could ever wait, 503 while the model is not ready.
        """
        capacity = self.versions.pick().runner.capacity  # that of all
        if instances > capacity:
            text = f"{instances} instances in one request; at most {capacity} can wait."
            raise Problem(422, "too-many-instances", text)

    async def predict(
        self,
        values: Sequence[object],
        parameters: BaseModel | None = None,
        form: Literal["rows", "columns"] = "rows",
        version: str | None = None,
    ) -> Answers:
        """Decode and predict every instance of one request, batched with those of others, or recall its answer.

        Args:
            values: what the request carried for each instance.
            parameters: those that the answers will be encoded with. Without them no answer is kept or recalled.
            form: whether they will be encoded by ``encode`` or by ``columns``.
            version: of the model; the first that is loaded where none is named.

        Raises:
            Problem: 503 when not ready or when the queue is full, 422 for more instances than it could ever hold, 404
                for a version that is not loaded, and what decoding raises.
        """
        loaded = self.versions.pick(version)
        self.check_count(len(values))
        with loaded.used():
            return await self._predict(loaded, values, parameters, form)

    async def _predict(
        self, loaded: Loaded, values: Sequence[object], parameters: BaseModel | None, form: str
    ) -> Answers:
        started = time.perf_counter()
        key = self._key(loaded, values, parameters, form)
        kept = await self._cache.recall(key) if self._cache and key else None
        if kept:
            self._count(kept.classes)
            return Answers(loaded, [], 0.0, 0.0, kept=kept)
        if not loaded.runner.alive:
            raise unavailable("not-ready", DEAD)
        try:
            waiting = loaded.runner.submit(values)
        except QueueFull:
            raise self._shed() from None
        try:
            # A single future is awaited as it is: gathering takes another turn of the loop.
            ran: list[Ran[Any]] = [await waiting[0]] if len(waiting) == 1 else await asyncio.gather(*waiting)
        except engine.Lost:
            raise unavailable("not-ready", DEAD) from None
        for one in ran:
            self._count(loaded.codec.classes(one.result))
        if self._watch:
            self._watch.saw(loaded.artefact, loaded.codec, values, ran, time.perf_counter() - started)
        return Answers(
            loaded,
            [one.result for one in ran],
            preprocess_s=sum(one.decode_s for one in ran),
            predict_s=max((one.predict_s for one in ran), default=0.0),
            key=key,
        )

    def encode(self, answers: Answers, parameters: BaseModel) -> list[dict[str, Any]]:
        """Answers as JSON."""
        if answers.kept:
            return answers.kept.answer
        with self._metrics.postprocess.time():
            rows = [answers.by.codec.encode(result, parameters) for result in answers.results]
        if answers.key:
            self._keep(answers, answers.key, rows)
        return rows

    def columns(self, answers: Answers, parameters: BaseModel) -> dict[str, NDArray[np.generic]]:
        """Answers as arrays, one row an instance; arrays of objects where they were kept."""
        if answers.kept:
            return {name: np.array(rows, object) for name, rows in answers.kept.answer.items()}
        with self._metrics.postprocess.time():
            columns = answers.by.codec.columns(answers.results, parameters)
        if answers.key:
            self._keep(answers, answers.key, {name: array.tolist() for name, array in columns.items()})
        return columns

    def _key(self, loaded: Loaded, values: Sequence[object], parameters: BaseModel | None, form: str) -> str | None:
        if self._cache is None or parameters is None or not values:
            return None
        chosen = parameters.model_dump(mode="json", include=set(loaded.codec.parameters.model_fields))
        return self._cache.key(loaded.artefact, form, chosen, values)

    def _keep(self, answers: Answers, key: str, encoded: object) -> None:
        if self._cache:
            named = [name for result in answers.results for name in answers.by.codec.classes(result)]
            self._cache.keep(key, encoded, named)

    def _count(self, classes: Iterable[str]) -> None:
        for name in classes:
            self._metrics.predictions.labels(name).inc()

    def _shed(self) -> Problem:
        self._metrics.shed.inc()
        return unavailable("overloaded", f"{self._settings.queue} instances are waiting already; try again shortly.")

    def _serving(self, loaded: tuple[Loaded, ...]) -> None:
        self._metrics.served.clear()
        for each in loaded:
            self._metrics.served.labels(*each.identity, each.instead_of or "", self._settings.model_device).set(1)
        if self._watch:
            self._watch.serve(tuple((each.artefact, each.folder) for each in loaded))

    @abstractmethod
    async def _opened(self, artefact: Artefact, folder: Path, metrics: ModelMetrics) -> Opened:
        """What the app adds, and what runs the model."""


class ServedModel(Model):
    """A model whose graph runs in this process."""

    def __init__(self, settings: Settings, load: Load) -> None:
        super().__init__(settings)
        self._load = load

    async def _opened(self, artefact: Artefact, folder: Path, metrics: ModelMetrics) -> Opened:
        settings = self._settings
        session = await asyncio.to_thread(
            engine.open_session, artefact.graph(folder), settings.model_device, settings.threads
        )
        handler = await asyncio.to_thread(self._load, artefact, folder, session)
        max_batch = min(settings.max_batch, session.batch or settings.max_batch)
        for size in {1, max_batch}:
            # Every size of batch has its own memory plan; the largest sets what the process will hold. Where graphs are
            # compiled, one instance has code of its own.
            examples = [handler.example()] * size
            await asyncio.gather(*[asyncio.to_thread(handler.predict, examples) for _ in range(session.lanes)])
        session.settle()
        batcher = Batcher(
            handler.decode,
            handler.predict,
            metrics,
            max_batch=max_batch,
            max_delay_s=settings.max_delay_ms / 1000,
            capacity=settings.queue,
            threads=settings.threads,
            lanes=session.lanes,
        )
        return handler, batcher
