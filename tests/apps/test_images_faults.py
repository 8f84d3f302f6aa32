"""When something is wrong with the picture, the detector, the database or the object store."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psycopg
import pytest
from PIL import ExifTags, Image
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from apps.images import database, library
from apps.images.app import Settings, create
from apps.images.detection import DummyDetector, RemoteDetector
from apps.images.faults import Full, Unavailable
from apps.images.picture import Picture, verify
from apps.runtime.settings import SettingsError
from tests.apps.images_stage import CIRCLES, Stage, claiming, picture, problem, stage, until_whole

pytestmark = pytest.mark.anyio

SEEN = {"objects": CIRCLES, "width": 64, "height": 48}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(f"sqlite:///{tmp_path}/images.db", tmp_path / "objects") as staged:
        yield staged


async def nothing_is_kept(app: Stage) -> bool:
    left = await app.kept()
    return not (left.rows or left.parents or left.intents or left.files)


@pytest.mark.parametrize(
    ("content", "status", "slug"),
    [
        pytest.param(b"", 422, "picture-empty", id="empty"),
        pytest.param(
            b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n", 415, "not-a-picture", id="a PDF called .jpg"
        ),
        pytest.param(picture()[: len(picture()) // 2], 422, "picture-truncated", id="truncated"),
        pytest.param(picture("PNG")[:60], 422, "picture-truncated", id="a PNG without its end"),
        pytest.param(claiming(60_000, 60_000), 413, "picture-too-large", id="too many pixels"),
    ],
)
async def test_a_bad_picture_is_the_callers_problem_and_nothing_is_kept(
    app: Stage, content: bytes, status: int, slug: str
) -> None:
    response = await app.upload(content)
    assert (response.status_code, problem(response)) == (status, slug)
    assert not app.detector.requests
    assert await nothing_is_kept(app)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_an_overloaded_detector_is_a_503_that_says_when_to_come_back(app: Stage, status: int) -> None:
    app.detector.status, app.detector.headers = status, {"retry-after": "7"}
    response = await app.upload()
    assert (response.status_code, problem(response)) == (503, "detector-unavailable")
    assert response.headers["retry-after"] == "7"
    assert await nothing_is_kept(app)


async def test_a_detector_that_is_down_is_a_503(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    async with stage(f"sqlite:///{tmp_path}/images.db", tmp_path / "objects", detector_url=nowhere) as app:
        response = await app.upload()
        assert (response.status_code, problem(response)) == (503, "detector-unavailable")
        assert int(response.headers["retry-after"]) >= 1
        assert await nothing_is_kept(app)


async def test_a_detector_that_never_answers_is_a_503_within_the_requests_time(tmp_path: Path) -> None:
    async with stage(f"sqlite:///{tmp_path}/images.db", tmp_path / "objects", request_timeout_s=0.5) as app:
        app.detector.hold.clear()
        response = await app.upload()
        assert (response.status_code, problem(response)) == (503, "detector-unavailable")
        assert await nothing_is_kept(app)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_a_picture_that_the_detector_refuses_is_refused_in_its_words(app: Stage, status: int) -> None:
    app.detector.status = status
    app.detector.body = {"type": "urn:modelserve:problem:picture-odd", "detail": "It is odd.", "status": status}
    response = await app.upload()
    assert (response.status_code, problem(response)) == (status, "picture-odd")
    assert response.json()["detail"] == "It is odd."
    assert await nothing_is_kept(app)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(500, {}, id="an error of its own"),
        pytest.param(404, {}, id="not a detector"),
        pytest.param(200, {"predictions": []}, id="another shape"),
        pytest.param(200, SEEN | {"objects": [CIRCLES[0] | {"confidence": 1.5}]}, id="an impossible confidence"),
        pytest.param(200, SEEN | {"objects": [CIRCLES[0] | {"bbox": ["NaN", 0, 1, 1]}]}, id="not a number"),
    ],
)
async def test_nonsense_from_the_detector_is_a_502_and_nothing_is_kept(app: Stage, status: int, body: object) -> None:
    app.detector.status, app.detector.body = status, body
    response = await app.upload()
    assert (response.status_code, problem(response)) == (502, "detector-failed")
    assert await nothing_is_kept(app)


async def test_a_detection_that_lost_its_connection_is_asked_for_again() -> None:
    lost = [httpx.ReadError("closed")]

    async def answer(_: httpx.Request) -> httpx.Response:
        if lost:
            raise lost.pop()
        return httpx.Response(200, json=SEEN)

    asked = RemoteDetector("http://detector", 1, httpx.MockTransport(answer))
    assert len((await asked.detect(picture(), Picture("image/jpeg", (64, 48)))).objects) == 2


async def test_what_has_been_stored_can_be_read_without_the_detector(app: Stage) -> None:
    uploaded = await app.upload()
    app.detector.status = 503
    assert (await app.client.get(uploaded.headers["location"])).status_code == 200
    assert (await app.client.get("/ready")).status_code == 200


async def test_dummy_answers_are_marked_in_body_and_header(tmp_path: Path) -> None:
    async with stage(f"sqlite:///{tmp_path}/images.db", tmp_path / "objects", mode="dummy") as app:
        uploaded = await app.upload()
        body = uploaded.json()
        assert (body["mode"], uploaded.headers["x-detection-mode"]) == ("dummy", "dummy")
        assert not app.detector.requests


async def test_dummy_answers_stay_marked_when_the_app_has_become_real(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/images.db"
    async with stage(url, tmp_path / "objects", mode="dummy") as app:
        uploaded = (await app.upload()).json()
    async with stage(url, tmp_path / "objects") as app:
        found = await app.client.get(f"/images/{uploaded['id']}/objects")
        one = await app.client.get(f"/images/{uploaded['id']}/objects/{uploaded['objects'][0]['id']}")
        assert (found.json()["mode"], found.headers["x-detection-mode"]) == ("dummy", "dummy")
        assert one.headers["x-detection-mode"] == "dummy"


async def test_the_dummy_circle_lies_in_the_picture() -> None:
    seen = await DummyDetector().detect(b"", Picture("image/png", (100, 40)))
    assert seen.objects[0].bbox == (40, 10, 20, 20)


@pytest.mark.parametrize(("orientation", "size"), [(1, (64, 48)), (3, (64, 48)), (6, (48, 64)), (8, (48, 64))])
def test_a_picture_is_measured_upright_however_the_camera_was_held(orientation: int, size: tuple[int, int]) -> None:
    held = Image.Exif()
    held[ExifTags.Base.Orientation] = orientation
    assert verify(picture(exif=held)).size == size


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_every_kind_of_picture_that_can_be_decoded_has_its_content_type(kind: str) -> None:
    assert verify(picture(kind)).content_type == f"image/{kind.lower()}"


async def test_an_object_store_without_room_is_a_507_and_nothing_is_kept(
    app: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise Full("object store")

    with monkeypatch.context() as patched:
        patched.setattr("apps.images.contents.Contents.put", full)
        response = await app.upload()
    assert (response.status_code, problem(response)) == (507, "storage-full")
    await until_whole(app)
    assert await nothing_is_kept(app)


async def test_a_database_without_room_is_a_507_and_no_bytes_stay_behind(
    app: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.detector.body["objects"] = CIRCLES * 2000

    @event.listens_for(Engine, "begin")
    def at_most(connection: object) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 20")  # type: ignore[attr-defined]

    try:
        response = await app.upload()
    finally:
        event.remove(Engine, "begin", at_most)
    assert (response.status_code, problem(response)) == (507, "storage-full")
    await until_whole(app)
    assert await nothing_is_kept(app)


def test_a_full_postgres_is_told_apart_from_one_that_is_down() -> None:
    full = OperationalError("INSERT", {}, psycopg.errors.DiskFull())
    lost = OperationalError("INSERT", {}, psycopg.errors.AdminShutdown())
    assert isinstance(database._fault(full), Full)
    assert isinstance(database._fault(lost), Unavailable)


@pytest.mark.local
def test_a_directory_on_a_full_disk_is_told_apart_from_one_that_is_down(tmp_path: Path) -> None:
    put = (
        "import asyncio, uuid; from apps.images.contents import Contents\n"
        f"try: asyncio.run(Contents('{tmp_path.as_uri()}').put(uuid.uuid4(), bytes(4_000_000)))\n"
        "except Exception as error: print(type(error).__name__)"
    )
    mount = f'mount -t tmpfs -o size=64k none "{tmp_path}" && exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, sys.executable, put], capture_output=True, text=True, check=False
    )
    # Not how it ended: threads of the object store may be at work when the interpreter goes, which aborts it.
    assert done.stdout.splitlines()[-1:] == ["Full"], done.stderr


async def test_without_its_object_store_the_app_is_not_ready(app: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "CHECK_KEPT_S", 0)
    assert (await app.client.get("/ready")).status_code == 200
    shutil.rmtree(app.folder)
    response = await app.client.get("/ready")
    assert (response.status_code, problem(response)) == (503, "not-ready")
    assert "object store" in response.json()["detail"]


async def test_readiness_is_asked_for_once_a_second_at_most(app: Stage) -> None:
    assert (await app.client.get("/ready")).status_code == 200
    shutil.rmtree(app.folder)
    assert (await app.client.get("/ready")).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"database_url": "mysql://localhost/images"}, "DATABASE_URL begins with mysql://"),
        ({"database_url": "images.db"}, "DATABASE_URL is not a URL"),
        ({"object_store_url": "ftp://localhost/images"}, "OBJECT_STORE_URL cannot be opened"),
        ({"detector_url": None}, "DETECTOR_URL is not set"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, wrong: dict[str, str], named: str) -> None:
    right = {
        "database_url": "sqlite:///images.db",
        "object_store_url": tmp_path.as_uri(),
        "detector_url": "http://127.0.0.1:1",
    }
    with pytest.raises(SettingsError, match=named):
        create(Settings(**right | wrong))  # type: ignore[arg-type]


def test_a_password_in_a_wrong_url_is_not_told() -> None:
    with pytest.raises(ValueError, match="DATABASE_URL") as refused:
        database.Database("postgres//user:hunter2@host")
    assert "hunter2" not in str(refused.value)


async def test_the_model_server_url_goes_before_the_detectors(tmp_path: Path) -> None:
    async with stage(f"sqlite:///{tmp_path}/images.db", tmp_path / "objects") as app:
        other = {"detector_url": "http://127.0.0.1:9", "model_server_url": app.detector.url}
        async with stage(f"sqlite:///{tmp_path}/other.db", tmp_path / "others", **other) as redirected:
            assert (await redirected.upload()).status_code == 201
        assert len(app.detector.requests) == 1
