"""Answers kept in Redis: the same input to the same version of a model is computed once.

Redis may be away, slow or refuse us: an answer is then computed, and Redis is left alone for a while. Values are JSON.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from apps.runtime import logs
from apps.runtime.metrics import ModelMetrics
from apps.runtime.settings import Settings
from models.artefact import Artefact

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

log = logs.logger("apps.runtime.cache")

TIMEOUT_S = 0.05
"""What asking may add to an answer: some hundred times what Redis takes, about what a model does."""

LEFT_ALONE_S = 5.0
"""How long Redis is left alone once it failed; then one request finds out whether it is back."""

CONNECTIONS = 16

HEADER = b"x-modelserve-cache"

outcome: ContextVar[Literal["hit", "miss"] | None] = ContextVar("cache outcome", default=None)
"""Whether the request being handled was answered from the cache; nothing where it was not looked for there."""


class Kept(BaseModel):
    """An answer as it is kept.

    Attributes:
        answer: what was encoded of it, as JSON.
        classes: what was predicted, for the count of predictions by class.
    """

    answer: Any
    classes: list[str]


class Cache:
    """The answers of one app. Made and used in the event loop's thread; ``close`` it when done."""

    def __init__(self, app: str, url_file: Path, settings: Settings, metrics: ModelMetrics) -> None:
        from redis import asyncio as client  # noqa: PLC0415 - half a second that apps without a cache need not spend
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415

        self._client = client
        self._never_again = Retry(NoBackoff(), 0)
        self._app = app
        self._url_file = url_file
        self._ttl_s = settings.cache_ttl_s
        # What an app is told beside what every app is may change its answers: how many classes, for example.
        told = settings.model_dump_json(exclude=set(Settings.model_fields))
        self._about_app = f"{settings.app_revision}\0{told}".encode()
        self._hits, self._misses = (metrics.cache_lookups.labels(one) for one in ("hit", "miss"))
        self._errors = metrics.cache_errors
        self._redis: Redis | None = None
        self._away = False
        self._leave_alone_until = 0.0
        self._pending: set[asyncio.Task[Any]] = set()

    def key(self, artefact: Artefact, form: str, parameters: Mapping[str, Any], values: Sequence[object]) -> str:
        """Where the answer is kept; another for whatever could make it another answer.

        Args:
            artefact: the model: its name, version and every digest.
            form: what the result is encoded as.
            parameters: what the caller chose, as JSON.
            values: what the request carried: bytes of files, JSON values, or rows of tensors by name.
        """
        files = "".join(f"{name}\0{file.sha256}\0" for name, file in sorted(artefact.files.items()))
        digest = hashlib.sha256()
        for part in (self._about_app, files.encode(), form.encode(), to_json(parameters)):
            _add(digest, b"about", part)
        for value in values:
            if isinstance(value, bytes):
                _add(digest, b"bytes", value)
            else:
                _add(digest, b"json", to_json(value, fallback=_described))
        return f"modelserve:answer:{self._app}:{artefact.name}@{artefact.version}:{digest.hexdigest()}"

    async def recall(self, key: str) -> Kept | None:
        """The answer kept there, or nothing. Takes ``TIMEOUT_S`` at most; raises nothing."""
        found = await self._ask(lambda redis: redis.get(key))
        try:
            kept = None if found is None else Kept.model_validate_json(found)
        except ValidationError:  # not written by us; it goes when its time is up
            self._errors.inc()
            kept = None
        (self._hits if kept else self._misses).inc()
        outcome.set("hit" if kept else "miss")
        return kept

    def keep(self, key: str, answer: object, classes: list[str]) -> None:
        """Keep an answer, behind the back of the request that it belongs to. One that is no JSON is not kept."""
        if self._away:
            return
        try:
            value = json.dumps({"answer": answer, "classes": classes}, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError):
            self._errors.inc()
            return
        self._spawn(self._ask(lambda redis: redis.set(key, value, ex=self._ttl_s)))

    async def close(self) -> None:
        """Let what is being kept be kept, and leave."""
        await asyncio.gather(*self._pending, return_exceptions=True)
        if self._redis is not None:
            await self._redis.aclose()

    async def _ask(self, command: "Callable[[Redis], Awaitable[T]]") -> T | None:
        """What Redis says to a command; nothing while it is away."""
        now = monotonic()
        if now < self._leave_alone_until:
            return None
        if self._away:
            self._leave_alone_until = now + LEFT_ALONE_S  # for all others: this one finds out
        redis = self._redis
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if redis is None:
                    redis = self._redis = self._connection()
                said = await command(redis)
        except Exception as error:  # whatever a client may raise: no answer depends on it
            self._failed(redis, error)
            return None
        if self._away:
            self._away, self._leave_alone_until = False, 0.0
            log.info("answers are kept again")
        return said

    def _connection(self) -> "Redis":
        """A client of what the file names now: whoever changes the password writes it there."""
        pool = self._client.BlockingConnectionPool.from_url(
            self._url_file.read_text(encoding="utf-8").strip(),
            max_connections=CONNECTIONS,
            retry=self._never_again,
            protocol=2,  # the third only adds two round trips to a new connection
        )
        return self._client.Redis.from_pool(pool)

    def _failed(self, redis: "Redis | None", error: Exception) -> None:
        self._errors.inc()
        self._leave_alone_until = monotonic() + LEFT_ALONE_S
        if redis is not None and redis is self._redis:
            self._redis = None
            self._spawn(redis.aclose())
        if not self._away:
            self._away = True
            # Its kind alone: Redis repeats commands that it does not know, a password among them, in its errors.
            log.warning("answers are not kept", redis_url_file=str(self._url_file), reason=type(error).__name__)

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(coroutine)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)


def _described(row: object) -> object:
    """A row of a tensor as JSON: its type, its shape and its bytes, which NaN has too."""
    array = np.asarray(row)
    return [array.dtype.str, array.shape, array.tobytes().hex()]


def _add(digest: "hashlib._Hash", kind: bytes, part: bytes) -> None:
    """Add a part with its length, so that no two lists of parts look alike."""
    digest.update(b"%b %d\0" % (kind, len(part)))
    digest.update(part)
