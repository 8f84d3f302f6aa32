"""Apps served without a process."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from apps.runtime import logs, server
from apps.runtime.app import App
from apps.runtime.settings import Settings
from tests.apps.doubler import write_doubler
from tests.apps.reloading import times
from tests.unit.mlflow import Tracking


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _json_logs() -> None:
    logs.configure("INFO", "tests")


@asynccontextmanager
async def running(served: server.Server) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that runs in this process."""
    transport = httpx.ASGITransport(served.asgi)
    async with (
        served.api.router.lifespan_context(served.api),
        httpx.AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        yield client


@asynccontextmanager
async def serving(name: str, app: App, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app whose model, if it has one, is ready."""
    async with running(server.build(name, app, settings)) as client:
        if app.model:
            await app.model.loading
            assert app.model.not_ready is None, app.model.not_ready
        yield client


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store that has the doubling model."""
    write_doubler(tmp_path)
    return tmp_path


@pytest.fixture
def tracking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Tracking]:
    """A registry with two versions, the first of them in production."""
    monkeypatch.setenv("MODELSERVE_CACHE", str(tmp_path / "cache"))
    served = Tracking()
    served.register(write_doubler(tmp_path / "made", version="1.0.0+aaaa", graph=times(2)))
    served.register(write_doubler(tmp_path / "made", version="2.0.0+bbbb", graph=times(3)), alias=None)
    yield served
    served.end()
