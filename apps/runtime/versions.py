"""What a process has loaded of its model: found, verified, opened, taken into use, and let go when nobody uses it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apps.runtime import engine, logs
from apps.runtime.batching import Runner
from apps.runtime.handler import Codec
from apps.runtime.problems import Problem, unavailable
from apps.runtime.settings import Settings
from models.artefact import Artefact, ArtefactError
from models.store import ALIAS, StoreError, UnknownModel, is_registry, resolve

log = logs.logger("apps.runtime.versions")

Opened = tuple[Codec[Any, Any, Any], Runner[Any]]
"""What an app adds around its model, and what runs that."""

CANNOT_SERVE = (ArtefactError, StoreError, UnknownModel, engine.EngineError)
"""Reasons that a message tells in full; others are ours, and the log has them."""

RETRY_S, RETRIES_S = 1.0, 30.0
"""First and longest pause between two tries to load from a store that fails; each is twice the one before."""

FOLLOW_S, FOLLOWS_S = 15.0, 120.0
"""Between two looks at what an alias points at: a request of a few hundred bytes. While that cannot be had, each pause
is twice the one before, up to the second: it may be fetched whole before it is refused."""

Found = tuple[Path, str | None, str | None]
"""Folder of an artefact; what was asked for in its place, and why that is not served."""


class Loaded:
    """A version that predicts.

    Attributes:
        artefact: what it is.
        folder: where it lies.
        codec: the app's part around it.
        runner: what runs it.
        instead_of: what it stands in for, ``name@version``; none for what was asked for.
        why: the reason for that.
    """

    def __init__(
        self, artefact: Artefact, folder: Path, opened: Opened, instead_of: str | None, why: str | None
    ) -> None:
        self.artefact, self.folder, self.instead_of, self.why = artefact, folder, instead_of, why
        self.codec, self.runner = opened
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @property
    def identity(self) -> tuple[str, str]:
        """Name and version."""
        return self.artefact.name, self.artefact.version

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep it running for as long as a request needs it."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def leave(self) -> None:
        """Stop it once no request uses it."""
        await self._unused.wait()
        await self.runner.close()


class Versions:
    """The loaded versions of a process; the first answers where a request names none. For the event loop's thread.

    Attributes:
        declared: name and version that were asked for; the version may be an alias.
        loaded: ready to predict; empty until loading is done.
        reason: why there is none.
    """

    def __init__(
        self,
        settings: Settings,
        opened: Callable[[Artefact, Path], Awaitable[Opened]],
        changed: Callable[[tuple[Loaded, ...]], None],
    ) -> None:
        self.declared = (settings.model_name or "", settings.model_version or "")
        self.loaded: tuple[Loaded, ...] = ()
        self.reason = f"Loading {' '.join(self.declared)}."
        self._settings, self._opened, self._changed = settings, opened, changed
        self._taking = asyncio.Lock()
        self._loading: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._asked: asyncio.Task[None] | None = None
        # What was taken last, and the folder that this led to.
        self._wanted, self._folder = self.declared[1], Path()
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether versions are being loaded; not while that waits for its next try."""
        return self._taking.locked()

    def pick(self, version: str | None = None) -> Loaded:
        """What answers for a version, or where none is named.

        Raises:
            Problem: 503 while nothing is loaded, 404 for a version that is not.
        """
        if not self.loaded:
            raise unavailable("not-ready", self.reason)
        for each in self.loaded:
            if version in (None, each.artefact.version):
                return each
        there = ", ".join(" ".join(each.identity) for each in self.loaded)
        text = f"Version {version!r} is not loaded here; there is {there}."
        raise Problem(404, "version-not-found", text, loaded=[each.artefact.version for each in self.loaded])

    def load(self) -> "asyncio.Task[None]":
        """Load what is declared, in the background, again and again where its store fails; then follow its alias.

        Failing sets ``reason`` and raises nothing.
        """
        self._loading = asyncio.create_task(self._load())
        if any(map(is_registry, self._settings.model_stores)):
            self._following = asyncio.create_task(self._follow())
        return self._loading

    async def reload(self, version: str | None = None) -> None:
        """Load what is declared again, an alias by what it points at now, and let it take over; else nothing changes.

        Goes on where the caller gives up.

        Args:
            version: in place of the declared one, until the next time; no alias is followed meanwhile.

        Raises:
            Problem: 409 where this is being done already.
            ArtefactError, StoreError, UnknownModel, EngineError: it cannot be had; what is served, stays.
        """
        if (self._asked and not self._asked.done()) or (self.busy and not self.loaded):
            raise Problem(409, "reload-in-progress", "Versions are being loaded already.", {"Retry-After": "5"})
        self._asked = asyncio.create_task(self._reload(version or self.declared[1]))
        self._asked.add_done_callback(_told)
        await asyncio.shield(self._asked)

    async def close(self) -> None:
        """Stop all of them, in use or not."""
        for task in (self._loading, self._following, self._asked):
            if task:
                task.cancel()
        for each in self.loaded:
            await each.runner.close()
        await asyncio.gather(*self._leaving)

    async def _follow(self) -> None:
        """Serve what the alias points at, whoever moved it: nobody can tell each process of an app."""
        pause, said = FOLLOW_S, ""
        while True:
            # Not all at once: while a version is warmed up, the one that is served has less of the cores.
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
            if self.busy or not ALIAS.fullmatch(self._wanted):
                continue
            try:
                async with self._taking:
                    await self._catch_up()
            except Exception as error:
                pause = min(2 * pause, FOLLOWS_S)
                if not self.loaded:
                    self.reason = str(error)
                if str(error) != said:  # once, however long it lasts
                    trace = None if isinstance(error, CANNOT_SERVE) else error
                    log.error("alias not followed", reason=str(error), exc_info=trace)
                said = str(error)
            else:
                pause, said = FOLLOW_S, ""

    async def _catch_up(self) -> None:
        folder = await asyncio.to_thread(resolve, self.declared[0], self._wanted, self._settings.model_stores)
        if folder != self._folder:  # of which no digest need be taken again
            await self._take(self._wanted, may_stand_in=False)

    async def _reload(self, version: str) -> None:
        async with self._taking:
            await self._take(version, may_stand_in=False)

    async def _load(self) -> None:
        pause = RETRY_S
        while await self._fails_for_now(pause):
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRIES_S)

    async def _fails_for_now(self, pause: float) -> bool:
        """Try to load; whether it is worth another try, after that pause."""
        async with self._taking:
            if self.loaded:  # by a reload, while this waited
                return False
            try:
                await self._take(self.declared[1], may_stand_in=True)
            except StoreError as error:
                self.reason = str(error)
                log.error("model cannot be served yet", reason=self.reason, again_in_s=pause)
                return True
            except CANNOT_SERVE as error:
                self.reason = str(error)
                log.error("model cannot be served", reason=self.reason)
            except Exception as error:
                self.reason = f"Loading {' '.join(self.declared)} failed: {error}. The log has more."
                log.exception("model cannot be served")
            return False

    async def _take(self, version: str, may_stand_in: bool) -> None:
        """Have a version loaded, with those declared beside it, and serve them."""
        started = time.perf_counter()
        found = [await asyncio.to_thread(self._found, version, may_stand_in)]
        for also in self._settings.model_also:
            folder = await asyncio.to_thread(resolve, self.declared[0], also, self._settings.model_stores)
            found.append((folder, None, None))
        new: list[Loaded] = []
        try:
            for each in found:
                one = await self._known_or_opened(each, new)
                if one not in new:
                    new.append(one)
        except BaseException:
            await self._let_go([each for each in new if each not in self.loaded])
            raise
        gone = [each for each in self.loaded if each not in new]
        self.loaded = tuple(new)
        self._wanted, self._folder = version, found[0][0]
        self._changed(self.loaded)
        log.info(
            "model ready",
            model=new[0].artefact.name,
            version=new[0].artefact.version,
            also=[each.artefact.version for each in new[1:]],
            served_as_alternative_for=new[0].instead_of,
            seconds=round(time.perf_counter() - started, 3),
        )
        leaving = asyncio.create_task(self._let_go(gone))
        self._leaving.add(leaving)  # the loop itself keeps no task alive
        leaving.add_done_callback(self._leaving.discard)

    async def _known_or_opened(self, found: Found, new: list[Loaded]) -> Loaded:
        folder, instead_of, why = found
        artefact = await asyncio.to_thread(Artefact.load, folder)
        for each in (*self.loaded, *new):
            if each.artefact == artefact:
                return each
        return Loaded(artefact, folder, await self._opened(artefact, folder), instead_of, why)

    def _found(self, version: str, may_stand_in: bool) -> Found:
        """The model itself, or its alternative where no store has it."""
        name, stores = self.declared[0], self._settings.model_stores
        try:
            return resolve(name, version, stores), None, None
        except UnknownModel as missing:
            if not (may_stand_in and self._settings.model_alternative):
                raise
            other, _, other_version = self._settings.model_alternative.partition("@")
            folder = resolve(other, other_version, stores)
            log.warning("serving the alternative", reason=str(missing))
            return folder, f"{name}@{version.removeprefix('@')}", str(missing)

    async def _let_go(self, gone: list[Loaded]) -> None:
        while gone:
            # Nothing here may go on holding it: its weights are what the process has most of.
            await gone.pop().leave()
            engine.give_memory_back()


def _told(task: "asyncio.Task[None]") -> None:
    """Log a failure whose caller may have left."""
    if not task.cancelled() and (error := task.exception()):
        log.error("model not reloaded", reason=str(error), exc_info=None if isinstance(error, CANNOT_SERVE) else error)
