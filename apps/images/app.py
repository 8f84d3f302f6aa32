"""The app: pictures and the circular objects found in them, stored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import Field

from apps.images.answers import Mode
from apps.images.contents import Contents
from apps.images.database import Database
from apps.images.detection import Detector, DummyDetector, RemoteDetector
from apps.images.library import Library
from apps.images.routes import routes
from apps.runtime.app import App
from apps.runtime.settings import Settings as RuntimeSettings
from apps.runtime.settings import SettingsError

STORING_S = 5
"""Of a request's time, what is kept for storing after the detector has answered."""


class Settings(RuntimeSettings):
    """What the app is told beside what every app is told."""

    mode: Mode = Field(
        default="real", description="real, or dummy: invented objects, marked as such, for trying out without detector"
    )
    detector_url: str | None = Field(default=None, description="base URL of the detector, for MODE=real")
    model_server_url: str | None = Field(default=None, description="base URL of a detector to ask instead of that one")
    database_url: str | None = Field(
        default=None,
        description="sqlite:////path.db, or postgresql://user@host:port/name?passfile=/path with the password there",
    )
    database_url_file: Path | None = Field(
        default=None, description="file with the database's URL, password included, in place of DATABASE_URL"
    )
    object_store_url: str = Field(description="file:///folder or s3://bucket/prefix")


def create(settings: Settings) -> App:
    """The app, connected to nothing yet.

    Raises:
        SettingsError: a URL is missing or none of its kind.
    """
    try:
        library = Library(
            Database(_database_url(settings)), Contents(settings.object_store_url), _detector(settings), settings.mode
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        sweeping = asyncio.create_task(library.keep_swept())
        try:
            yield
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping
            await library.close()

    async def info() -> dict[str, Any]:
        return {"model": None, "mode": settings.mode}

    return App(
        "Stores pictures and the circular objects found in them.",
        routes(library),
        lifespan=lifespan,
        ready=library.not_ready,
        info=info,
        metrics=library.measures.registry,
    )


def _database_url(settings: Settings) -> str:
    if settings.database_url_file is None:
        if settings.database_url is None:
            raise SettingsError("DATABASE_URL is not set.\n  Give it, or a file with it: DATABASE_URL_FILE.")
        return settings.database_url
    try:
        return settings.database_url_file.read_text().strip()
    except OSError as error:
        raise SettingsError(f"DATABASE_URL_FILE is {settings.database_url_file}: {error.strerror}.") from error


def _detector(settings: Settings) -> Detector:
    if settings.mode == "dummy":
        return DummyDetector()
    url = settings.model_server_url or settings.detector_url
    if not url:
        raise SettingsError("DETECTOR_URL is not set.\n  Give the detector's base URL, or MODE=dummy to do without.")
    longest = settings.request_timeout_s
    return RemoteDetector(url, max(longest - STORING_S, longest / 2))
