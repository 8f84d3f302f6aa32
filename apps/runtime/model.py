"""The model that an app serves: found, verified, loaded and warmed up in the background; then asked."""

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

from apps.runtime import engine, logs
from apps.runtime.batching import Batcher, QueueFull, Ran, Runner
from apps.runtime.cache import Cache, Kept
from apps.runtime.handler import Codec, Handler
from apps.runtime.metrics import ModelMetrics
from apps.runtime.problems import Problem, unavailable
from apps.runtime.settings import Settings, SettingsError
from models.artefact import Artefact, ArtefactError
from models.store import StoreError, UnknownModel, resolve

log = logs.logger("apps.runtime.model")

Load = Callable[[Artefact, Path, engine.Session], Handler[Any, Any, Any]]
"""Makes the app's handler from an artefact, the folder it is in, and its loaded graph."""


Opened = tuple[Codec[Any, Any, Any], Runner[Any]]
"""What an app adds around its model, and what runs that."""


@dataclass(frozen=True)
class Answers:
    """What the model made of the instances of one request.

    Attributes:
        results: one for each instance.
        preprocess_s: seconds that decoding took, all instances together.
        predict_s: seconds of the longest batch that an instance was in.
        key: where to keep them once they are encoded; none to keep them nowhere.
        kept: found there, in place of results.
    """

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


@dataclass(frozen=True)
class _Loaded:
    artefact: Artefact
    codec: Codec[Any, Any, Any]
    runner: Runner[Any]
    instead_of: str | None
    why: str | None


class Model(ABC):
    """The one model of a process, wherever its graph runs.

    Attributes:
        declared: name and version that were asked for.
        loading: done once the model is ready, or cannot become so.
    """

    declared: tuple[str, str]
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
        self.declared = (settings.model_name, settings.model_version)
        self._settings = settings
        self._loaded: _Loaded | None = None
        self._cache: Cache | None = None
        self._reason = f"Loading {self.declared[0]} {self.declared[1]}."

    @asynccontextmanager
    async def running(self, metrics: ModelMetrics, cache: Cache | None = None) -> AsyncIterator[None]:
        """Load in the background for as long as the app runs; answers are kept where there is a cache."""
        self._metrics, self._cache = metrics, cache
        self.loading = asyncio.create_task(self._start())
        yield
        self.loading.cancel()
        if self._loaded:
            self._loaded.runner.close()

    @property
    def not_ready(self) -> str | None:
        """Why there is no prediction to be had, or nothing."""
        if self._loaded is None:
            return self._reason
        return None if self._loaded.runner.alive else "The inference thread is gone."

    def check_ready(self) -> None:
        """Nothing, if there are predictions to be had.

        Raises:
            Problem: 503 with the reason why not.
        """
        if self.not_ready:
            raise unavailable("not-ready", self.not_ready)

    def overload(self) -> Problem | None:
        """The refusal of a request that would find the queue full; asked before its body is read."""
        full = self._loaded is not None and self._loaded.runner.waiting >= self._loaded.runner.capacity
        return self._shed() if full else None

    @property
    def codec(self) -> Codec[Any, Any, Any]:
        """The app's part around the model.

        Raises:
            Problem: 503 while the model is not ready.
        """
        return self._ready().codec

    @property
    def identity(self) -> tuple[str, str]:
        """Name and version of what is served; of what was asked for until it is loaded."""
        return (self._loaded.artefact.name, self._loaded.artefact.version) if self._loaded else self.declared

    def info(self) -> dict[str, Any]:
        """What ``/model/info`` says."""
        name, version = self.identity
        about: dict[str, Any] = {"name": name, "version": version, "ready": self.not_ready is None}
        if not self._loaded:
            return about | {"not_ready": self._reason}
        artefact = asdict(self._loaded.artefact)
        return {
            **about,
            "served_as_alternative_for": self._loaded.instead_of,
            "reason": self._loaded.why,
            "device": self._settings.model_device,
            **artefact,
        }

    def parameters(self, given: Mapping[str, Any]) -> BaseModel:
        """A request's parameters, checked.

        Raises:
            Problem: 422 for a wrong one, 503 while the model is not ready.
        """
        try:
            return self.codec.parameters.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            at = ".".join(map(str, first["loc"]))
            raise Problem(422, "invalid-parameter", f"{at} is {first['input']!r}: {first['msg']}.") from None

    def check_count(self, instances: int) -> None:
        """Nothing, if one request may have so many instances.

        Raises:
            Problem: 422 for more than could ever wait, 503 while the model is not ready.
        """
        capacity = self._ready().runner.capacity
        if instances > capacity:
            text = f"{instances} instances in one request; at most {capacity} can wait."
            raise Problem(422, "too-many-instances", text)

    async def predict(
        self,
        values: Sequence[object],
        parameters: BaseModel | None = None,
        form: Literal["rows", "columns"] = "rows",
    ) -> Answers:
        """Decode and predict every instance of one request, batched with those of others, or recall its answer.

        Args:
            values: what the request carried for each instance.
            parameters: those that the answers will be encoded with. Without them no answer is kept or recalled.
            form: whether they will be encoded by ``encode`` or by ``columns``.

        Raises:
            Problem: 503 when not ready or when the queue is full, 422 for more instances than it could ever hold, and
                what decoding raises.
        """
        loaded = self._ready()
        self.check_count(len(values))
        key = self._key(loaded, values, parameters, form)
        kept = await self._cache.recall(key) if self._cache and key else None
        if kept:
            self._count(kept.classes)
            return Answers([], 0.0, 0.0, kept=kept)
        try:
            waiting = loaded.runner.submit(values)
        except QueueFull:
            raise self._shed() from None
        ran: list[Ran[Any]] = await asyncio.gather(*waiting)
        for one in ran:
            self._count(loaded.codec.classes(one.result))
        return Answers(
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
            rows = [self.codec.encode(result, parameters) for result in answers.results]
        if answers.key:
            self._keep(answers.key, rows, answers.results)
        return rows

    def columns(self, answers: Answers, parameters: BaseModel) -> dict[str, NDArray[np.generic]]:
        """Answers as arrays, one row an instance; arrays of objects where they were kept."""
        if answers.kept:
            return {name: np.array(rows, object) for name, rows in answers.kept.answer.items()}
        with self._metrics.postprocess.time():
            columns = self.codec.columns(answers.results, parameters)
        if answers.key:
            self._keep(answers.key, {name: array.tolist() for name, array in columns.items()}, answers.results)
        return columns

    def _key(self, loaded: _Loaded, values: Sequence[object], parameters: BaseModel | None, form: str) -> str | None:
        if self._cache is None or parameters is None or not values:
            return None
        chosen = parameters.model_dump(mode="json", include=set(loaded.codec.parameters.model_fields))
        return self._cache.key(loaded.artefact, form, chosen, values)

    def _keep(self, key: str, encoded: object, results: list[Any]) -> None:
        if self._cache:
            self._cache.keep(key, encoded, [name for result in results for name in self.codec.classes(result)])

    def _count(self, classes: Iterable[str]) -> None:
        for name in classes:
            self._metrics.predictions.labels(name).inc()

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise unavailable("not-ready", self._reason)
        return self._loaded

    def _shed(self) -> Problem:
        self._metrics.shed.inc()
        return unavailable("overloaded", f"{self._settings.queue} instances are waiting already; try again shortly.")

    async def _start(self) -> None:
        started = time.perf_counter()
        try:
            loaded = await self._load_and_warm_up()
        except (ArtefactError, StoreError, UnknownModel, engine.EngineError) as error:
            self._reason = str(error)
            log.error("model cannot be served", reason=self._reason)
        except Exception as error:
            self._reason = f"Loading {self.declared[0]} {self.declared[1]} failed: {error}. The log has more."
            log.exception("model cannot be served")
        else:
            self._loaded = loaded
            name, version = self.identity
            self._metrics.served.labels(name, version, loaded.instead_of or "", self._settings.model_device).set(1)
            log.info(
                "model ready",
                model=name,
                version=version,
                served_as_alternative_for=loaded.instead_of,
                seconds=round(time.perf_counter() - started, 3),
            )

    async def _load_and_warm_up(self) -> _Loaded:
        folder, instead_of, why = await asyncio.to_thread(self._found)
        artefact = await asyncio.to_thread(Artefact.load, folder)
        codec, runner = await self._opened(artefact, folder, self._metrics)
        return _Loaded(artefact, codec, runner, instead_of, why)

    @abstractmethod
    async def _opened(self, artefact: Artefact, folder: Path, metrics: ModelMetrics) -> Opened:
        """What the app adds, and what runs the model."""

    def _found(self) -> tuple[Path, str | None, str | None]:
        """Folder of the model; of its alternative, and why, where no store has the model itself."""
        stores = self._settings.model_stores
        try:
            return resolve(*self.declared, stores), None, None
        except UnknownModel as missing:
            if not self._settings.model_alternative:
                raise
            name, _, version = self._settings.model_alternative.partition("@")
            folder = resolve(name, version, stores)
            log.warning("serving the alternative", reason=str(missing))
            return folder, "@".join(self.declared), str(missing)


class ServedModel(Model):
    """A model whose graph runs in this process."""

    def __init__(self, settings: Settings, load: Load) -> None:
        super().__init__(settings)
        self._load = load

    async def _opened(self, artefact: Artefact, folder: Path, metrics: ModelMetrics) -> Opened:
        settings = self._settings
        graph = folder / next(name for name in artefact.files if name.endswith(".onnx"))
        session = await asyncio.to_thread(engine.open_session, graph, settings.model_device, settings.threads)
        handler = await asyncio.to_thread(self._load, artefact, folder, session)
        max_batch = min(settings.max_batch, session.batch or settings.max_batch)
        for size in {1, max_batch}:
            # Every size of batch has its own memory plan; the largest sets what the process will hold.
            await asyncio.to_thread(handler.predict, [handler.example()] * size)
        batcher = Batcher(
            handler.decode,
            handler.predict,
            metrics,
            max_batch=max_batch,
            max_delay_s=settings.max_delay_ms / 1000,
            capacity=settings.queue,
            decoders=settings.threads,
        )
        return handler, batcher
