"""The images app and a PostgreSQL server that dies: nothing is half-written, and nobody has to help it back."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import psutil
import pytest
from sqlalchemy import event, update
from sqlalchemy.engine import Engine

from apps.images import library
from apps.images.contents import Contents
from apps.images.database import Database
from apps.images.schema import intents
from tests.apps.images_postgres import Postgres
from tests.apps.images_stage import Stage, kept, picture, problem, stage, until_whole
from tests.until import until_asked

pytestmark = [pytest.mark.anyio, pytest.mark.local]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture
def postgres(server: Postgres) -> Postgres:
    if not server.running:  # the test before failed between kill and start
        server.start()
    return server


@pytest.fixture
async def app(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(library, "SWEEP_EVERY_S", 0.1)
    monkeypatch.setattr(library, "CHECK_KEPT_S", 0)
    async with stage(postgres.database(), tmp_path / "objects") as staged:
        assert (await staged.upload()).status_code == 201
        yield staged


async def fails_and_recovers(app: Stage, postgres: Postgres, upload: "asyncio.Task[httpx.Response]") -> None:
    """What every kill is followed by: a 503, and once the server is back the very next request works."""
    response = await upload
    assert (response.status_code, problem(response)) == (503, "database-unavailable")
    assert int(response.headers["retry-after"]) >= 1
    assert (await app.client.get("/ready")).status_code == 503
    postgres.start()
    assert (await app.upload()).status_code == 201
    await until_ready(app)
    assert len((await until_whole(app)).rows) == 2


async def until_ready(app: Stage) -> None:
    """Wait for a 200; on a busy machine a check may take longer than it is given."""
    await until_asked(lambda: app.client.get("/ready"), lambda answer: answer.status_code == 200, "it is ready", 20)


async def test_killed_during_the_detection(app: Stage, postgres: Postgres) -> None:
    app.detector.hold.clear()
    app.detector.asked.clear()
    upload = asyncio.create_task(app.upload())
    await app.detector.asked.wait()
    postgres.kill()
    app.detector.hold.set()
    await fails_and_recovers(app, postgres, upload)


async def test_killed_after_the_bytes_were_put(app: Stage, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    put = Contents.put

    async def last_put(self: Contents, image_id: UUID, content: bytes) -> None:
        await put(self, image_id, content)
        postgres.kill()
        monkeypatch.setattr(Contents, "put", put)

    monkeypatch.setattr(Contents, "put", last_put)
    await fails_and_recovers(app, postgres, asyncio.create_task(app.upload()))


async def test_killed_between_the_rows_and_their_commit(app: Stage, postgres: Postgres) -> None:
    last: list[str] = []
    alive = [postgres]

    @event.listens_for(Engine, "before_cursor_execute")
    def noted(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        last[:] = [statement]

    @event.listens_for(Engine, "commit")
    def killed(_: object) -> None:
        if alive and last[0].startswith("INSERT INTO objects"):
            alive.pop().kill()

    try:
        await fails_and_recovers(app, postgres, asyncio.create_task(app.upload()))
    finally:
        event.remove(Engine, "before_cursor_execute", noted)
        event.remove(Engine, "commit", killed)


async def test_a_restart_while_nobody_asked_goes_unnoticed(postgres: Postgres, tmp_path: Path) -> None:
    async with stage(postgres.database(), tmp_path / "objects") as app:
        await asyncio.gather(*(app.upload() for _ in range(3)))
        postgres.kill()
        postgres.start()
        assert (await app.upload()).status_code == 201


async def test_killed_under_load(app: Stage, postgres: Postgres) -> None:
    uploads = [asyncio.create_task(app.upload()) for _ in range(40)]
    await next(asyncio.as_completed(uploads))
    postgres.kill()
    responses = await asyncio.gather(*uploads)
    assert {response.status_code for response in responses} == {201, 503}
    postgres.start()
    left = await until_whole(app)
    assert {response.json()["id"] for response in responses if response.status_code == 201} <= left.rows


async def test_deletions_under_way_are_done_or_not_done(app: Stage, postgres: Postgres) -> None:
    places = [(await app.upload()).headers["location"] for _ in range(10)]
    deletions = [asyncio.create_task(app.client.delete(place)) for place in places]
    await next(asyncio.as_completed(deletions))
    postgres.kill()
    statuses = [response.status_code for response in await asyncio.gather(*deletions)]
    assert set(statuses) <= {204, 503}
    postgres.start()
    left = await until_whole(app)
    deleted = {place.rpartition("/")[2] for place, status in zip(places, statuses, strict=True) if status == 204}
    assert not deleted & left.rows


async def test_the_app_starts_without_its_database_and_is_ready_once_that_is_there(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "CHECK_KEPT_S", 0)
    url = postgres.database()
    postgres.kill()
    async with stage(url, tmp_path / "objects") as app:
        assert (await app.client.get("/ready")).status_code == 503
        assert problem(await app.client.get("/images/")) == "database-unavailable"
        postgres.start()
        await until_ready(app)
        assert (await app.upload()).status_code == 201


async def test_workers_that_start_together_on_an_empty_database_all_come_up(postgres: Postgres) -> None:
    url = postgres.database()
    workers = [Database(url) for _ in range(6)]
    await asyncio.gather(*(worker.check() for worker in workers))
    await asyncio.gather(*(worker.close() for worker in workers))


@asynccontextmanager
async def worker(url: str, folder: Path) -> AsyncIterator[tuple[psutil.Process, httpx.AsyncClient]]:
    """The app as a process of its own with invented detections, and a client of it."""
    environment = {"MODE": "dummy", "DATABASE_URL": url, "OBJECT_STORE_URL": folder.as_uri(), "PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "apps.runtime", "images", env=os.environ | environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        async for line in process.stdout:
            if (said := json.loads(line))["event"] == "listening":
                break
        else:
            raise AssertionError("it ended before it listened")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{said['port']}", timeout=30) as client:
            yield psutil.Process(process.pid), client
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_two_workers_started_at_once_on_an_empty_database_both_store(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database()
    async with worker(url, tmp_path) as (_, one), worker(url, tmp_path) as (_, other):
        uploads = [client.post("/images/", files={"file": picture()}) for client in (one, other) * 5]
        responses = await asyncio.gather(*uploads)
        assert [response.status_code for response in responses] == [201] * 10
        listed = [image["id"] for image in (await one.get("/images/")).json()["images"]]
        assert set(listed) == {response.json()["id"] for response in responses}


async def test_a_worker_killed_in_the_middle_leaves_only_what_a_sweep_removes(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.database()
    async with worker(url, tmp_path) as (process, client):
        uploads = [asyncio.create_task(client.post("/images/", files={"file": picture()})) for _ in range(40)]
        await next(asyncio.as_completed(uploads))
        process.kill()
        responses = await asyncio.gather(*uploads, return_exceptions=True)
    stored = {response.json()["id"] for response in responses if isinstance(response, httpx.Response)}
    left = await kept(url, tmp_path)
    assert stored <= left.rows <= left.files
    assert {name.partition("#")[0] for name in left.files - left.rows} <= left.intents
    await make_old(url)
    async with stage(url, tmp_path) as app:
        assert (await until_whole(app)).rows == left.rows


async def make_old(url: str) -> None:
    """Let what is under way have begun long ago."""
    database = Database(url)
    async with database.transaction() as connection:
        await connection.execute(update(intents).values(since=datetime(2020, 1, 1, tzinfo=UTC)))
    await database.close()
