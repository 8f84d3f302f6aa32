"""Rows and bytes belong together, whatever breaks between the one and the other."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from apps.images import catalogue, library
from apps.images.contents import Contents
from apps.images.database import Database
from apps.images.detection import DummyDetector
from apps.images.identifiers import uuid7
from apps.images.picture import verify
from apps.images.schema import intents
from tests.apps.images_stage import Stage, kept, picture, problem, stage, until, until_whole

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(f"sqlite:///{tmp_path}/images.db", tmp_path / "objects") as staged:
        yield staged


async def leave_behind(database_url: str, folder: Path, age: timedelta) -> UUID:
    """What an upload leaves when its process dies after the bytes were put; the id of its image."""
    image_id = uuid7()
    database = Database(database_url)
    async with database.transaction() as connection:
        values = {"image_id": image_id, "remove": False, "since": datetime.now(UTC) - age}
        await connection.execute(insert(intents).values(values))
    await database.close()
    await Contents(folder.as_uri()).put(image_id, picture())
    return image_id


async def test_what_a_crash_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    url, folder = f"sqlite:///{tmp_path}/images.db", tmp_path / "objects"
    image_id = await leave_behind(url, folder, library.ABANDONED_AFTER + timedelta(seconds=1))
    (folder / "images" / f"{image_id}#1").write_bytes(b"half a pict")
    assert not (await kept(url, folder)).whole
    async with stage(url, folder) as app:
        assert (await until_whole(app)).files == set()


async def test_an_upload_under_way_elsewhere_is_left_alone(tmp_path: Path) -> None:
    url, folder = f"sqlite:///{tmp_path}/images.db", tmp_path / "objects"
    old = await leave_behind(url, folder, library.ABANDONED_AFTER + timedelta(seconds=1))
    young = await leave_behind(url, folder, timedelta(seconds=1))
    async with stage(url, folder) as app:
        left = await until(app, lambda left: str(old) not in left.intents)
    assert left.files == left.intents == {str(young)}


async def test_bytes_that_no_intent_names_are_never_removed(tmp_path: Path) -> None:
    url, folder = f"sqlite:///{tmp_path}/images.db", tmp_path / "objects"
    await leave_behind(url, folder, library.ABANDONED_AFTER + timedelta(seconds=1))
    of_another_database = folder / "images" / str(uuid7())
    of_another_database.write_bytes(picture())
    os.utime(of_another_database, (0, 0))
    async with stage(url, folder) as app:
        left = await until(app, lambda left: not left.intents)
    assert left.files == {of_another_database.name}


async def test_one_sweep_removes_a_bounded_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "SWEEP_AT_MOST", 2)
    url, folder = f"sqlite:///{tmp_path}/images.db", tmp_path / "objects"
    for _ in range(3):
        await leave_behind(url, folder, library.ABANDONED_AFTER + timedelta(seconds=1))
    async with stage(url, folder) as app:
        left = await until(app, lambda left: len(left.intents) < 3)
    assert len(left.files) == len(left.intents) == 1


async def test_an_upload_that_was_given_up_fails_and_leaves_nothing(
    app: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Contents.put

    async def slow_put(self: Contents, image_id: UUID, content: bytes) -> None:
        await put(self, image_id, content)
        database = Database(app.database_url)
        async with database.transaction() as connection:
            await connection.execute(update(intents).values(remove=True))
        await database.close()

    monkeypatch.setattr(Contents, "put", slow_put)
    response = await app.upload()
    assert (response.status_code, problem(response)) == (503, "database-unavailable")
    assert (await until_whole(app)).rows == set()


async def test_an_upload_whose_rows_cannot_be_made_leaves_no_bytes(app: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(catalogue, "add", broken)
    response = await app.upload()
    assert response.status_code == 500
    assert (await until_whole(app)).files == set()


async def test_a_deletion_whose_bytes_cannot_be_removed_yet_is_finished_later(
    app: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "SWEEP_EVERY_S", 0.02)
    uploaded = await app.upload()
    with monkeypatch.context() as patched:
        patched.setattr(Contents, "remove", _unavailable)
        response = await app.client.delete(uploaded.headers["location"])
        assert response.status_code == 204
        assert not (await app.kept()).whole
    assert (await until_whole(app)).files == set()


async def test_a_caller_who_leaves_during_the_detection_leaves_nothing_behind(app: Stage) -> None:
    app.detector.hold.clear()
    upload = asyncio.create_task(app.upload())
    await app.detector.asked.wait()
    upload.cancel()
    await asyncio.gather(upload, return_exceptions=True)
    assert (await until_whole(app)).files == set()


@pytest.mark.parametrize("together", range(3))
async def test_workers_that_start_together_on_an_empty_database_all_come_up(tmp_path: Path, together: int) -> None:
    workers = [Database(f"sqlite:///{tmp_path}/images-{together}.db") for _ in range(6)]
    await asyncio.gather(*(worker.check() for worker in workers))
    await asyncio.gather(*(worker.close() for worker in workers))


async def _unavailable(*_: object) -> None:
    raise library.Unavailable("object store", "a test says so")


@pytest.mark.parametrize("steps", range(5))
async def test_a_shutdown_right_after_a_failure_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    swept = asyncio.Event()

    async def sweep(_: library.Library) -> int:
        swept.set()
        return 0

    async def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(library.Library, "sweep", sweep)
    monkeypatch.setattr(catalogue, "announce", broken)
    closing = library.Library(
        Database(f"sqlite:///{tmp_path}/images.db"), Contents(tmp_path.as_uri()), DummyDetector(), "dummy"
    )
    sweeping = asyncio.create_task(closing.keep_swept())
    await swept.wait()
    with pytest.raises(RuntimeError):
        await closing.store(picture(), verify(picture()))
    for _ in range(steps):
        await asyncio.sleep(0)
    sweeping.cancel()
    ended, _ = await asyncio.wait([sweeping], timeout=5)
    sweeping.cancel()
    await closing.close()
    assert ended


async def test_what_was_stored_and_found_is_counted_and_the_detector_timed(tmp_path: Path) -> None:
    kept_by = library.Library(
        Database(f"sqlite:///{tmp_path}/images.db"), Contents(tmp_path.as_uri()), DummyDetector(), "dummy"
    )
    for _ in range(2):
        await kept_by.store(picture(), verify(picture()))
    await kept_by.close()
    value = kept_by.measures.registry.get_sample_value
    assert value("images_stored_total", {"mode": "dummy"}) == 2
    assert value("images_objects_found_total", {"mode": "dummy"}) == 2
    assert value("images_detection_seconds_count") == 2


def test_ids_sort_by_time_and_are_version_7() -> None:
    ids = [uuid7() for _ in range(1000)]
    assert [one.version for one in ids] == [7] * 1000
    assert {one.variant for one in ids} == {"specified in RFC 4122"}
    assert [one.int >> 80 for one in ids] == sorted(one.int >> 80 for one in ids)


def test_ids_of_one_millisecond_cannot_be_told_from_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_000_000_000)
    ids = {uuid7().int & ((1 << 80) - 1) for _ in range(2000)}
    assert len(ids) == 2000
    ever_set, always_set = 0, (1 << 80) - 1
    for one in ids:
        ever_set, always_set = ever_set | one, always_set & one
    fixed = 0xF << 76 | 0b11 << 62
    assert ever_set & ~fixed == ~fixed & ((1 << 80) - 1), "some bit is never set"
    assert always_set & ~fixed == 0, "some bit is always set"
