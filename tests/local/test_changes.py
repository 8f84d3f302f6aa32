"""Changing a platform that serves: what is touched, and that nobody notices."""

import asyncio
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
import yaml

from infra.local.home import Home
from infra.local.supervisord import Supervisord
from infra.settings import CHECKOUT
from tests.apps.images_stage import Kept, kept
from tests.local.gateway.upstream import answers
from tests.local.platform import Platform
from tests.local.traffic import Traffic
from tests.until import until

pytestmark = pytest.mark.local

RELEASED = yaml.safe_load((CHECKOUT / "apps/detector/app.yaml").read_text())["model"]["version"]
"""What the detector serves."""


@pytest.fixture
def second_version(platform: Platform) -> str:
    """Version 2.0.0 of the detector's model: the same weights under another name."""
    source = CHECKOUT / "models/circle_detector" / RELEASED
    target = platform.root / "models/circle_detector/2.0.0"
    if not target.exists():
        shutil.copytree(source, target)
        manifest = json.loads((target / "artefact.json").read_text())
        (target / "artefact.json").write_text(json.dumps({**manifest, "version": "2.0.0"}))
    return "2.0.0"


@pytest.fixture
def detector(platform: Platform) -> Iterator[Callable[[Callable[[dict[str, Any]], None]], dict[str, Any]]]:
    """Edits the detector's app.yaml and deploys; what was there before is deployed again afterwards."""
    file = platform.root / "apps/detector/app.yaml"
    before = file.read_text()

    def edit(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        platform.edit("detector", change)
        return platform.up()

    yield edit
    file.write_text(before)
    platform.up()


def pids(platform: Platform, app: str) -> list[int]:
    return [process["pid"] for version in platform.status(app) for process in version["processes"]]


def test_a_second_up_changes_nothing(platform: Platform) -> None:
    changes = platform.up()
    assert set(changes) == {"same"}


def test_a_preview_of_what_is_there_already_says_so(platform: Platform) -> None:
    told = platform.pulumi("preview", "--stack", "local", "--expect-no-changes")
    assert re.search(r"Resources:\n +\d+ unchanged\n", told.stdout)


def test_files_that_were_deleted_are_back_after_the_next_up(platform: Platform) -> None:
    local = platform.root / ".modelserve" / "local"
    secrets = ("reload.token", "redis-*.url", "postgres-images.pgpass")
    patterns = (*(f"secrets/{name}" for name in secrets), "run/prometheus/targets/detector.json")
    files = [file for pattern in patterns for file in local.glob(pattern)]
    assert len(files) == len(patterns)
    for file in files:
        file.unlink()
    platform.up()
    assert [file for file in files if not file.exists()] == []
    assert set(platform.up()) == {"same"}


@contextmanager
def no_request_fails(platform: Platform, picture: bytes) -> Iterator[None]:
    """Callers of the detector meanwhile: 200 questions a second, and 2 pictures, which nobody may send again."""
    questions = Traffic(httpx.Request("GET", f"{platform.gateway}/detector/v2"), per_second=200)
    pictures = Traffic(platform.upload("/detector/predict", picture), per_second=2)
    with questions, pictures:
        yield
        questions.more(200)
        pictures.more(4)
    assert set(questions.statuses) == {200}, questions.statuses
    assert set(pictures.statuses) == {200}, pictures.statuses
    # Fewer would have been another test.
    assert questions.sent_per_second == pytest.approx(200, rel=0.05)
    assert pictures.sent_per_second == pytest.approx(2, rel=0.2)


def test_more_workers_touch_that_app_only_and_no_request_fails(
    platform: Platform, coins: bytes, detector: Callable[..., dict[str, Any]]
) -> None:
    others = pids(platform, "classifier") + pids(platform, "images")
    with no_request_fails(platform, coins):
        detector(lambda spec: spec.update(workers=2))
    assert len(pids(platform, "detector")) == 2
    assert pids(platform, "classifier") + pids(platform, "images") == others


def test_a_new_model_version_is_served_and_no_request_fails(
    platform: Platform, second_version: str, coins: bytes, detector: Callable[..., dict[str, Any]]
) -> None:
    with no_request_fails(platform, coins):
        detector(lambda spec: spec["model"].update(version=second_version))
    assert httpx.get(f"{platform.gateway}/detector/model/info").json()["version"] == second_version


def test_a_canary_gets_its_weight_of_the_requests(
    platform: Platform, second_version: str, detector: Callable[..., dict[str, Any]]
) -> None:
    detector(lambda spec: spec.update(traffic={"canary": {"version": second_version, "weight": 10}}))
    got = answers(f"{platform.gateway}/detector/v2", 20_000)
    assert set(got.statuses) == {200}
    share = got.revisions[f"detector@{second_version}"] / got.count
    # Of 20,000 draws a point is 4.7 standard deviations: right shares fail this once in 400,000 runs.
    assert share == pytest.approx(0.1, abs=0.01)


def test_a_mirror_gets_a_copy_of_each_while_stable_answers(
    platform: Platform, second_version: str, coins: bytes, detector: Callable[..., dict[str, Any]]
) -> None:
    detector(lambda spec: spec.update(traffic={"canary": {"version": second_version, "weight": 0, "mirror": 100}}))
    stable, canary = (version["addresses"] for version in platform.outputs()["apps"]["detector"]["versions"])
    before = predicted(stable), predicted(canary)
    with httpx.Client() as client:
        got = [client.send(platform.upload("/detector/predict", coins)) for _ in range(300)]
    assert {(a.status_code, a.headers["x-modelserve-revision"]) for a in got} == {(200, f"detector@{RELEASED}")}
    assert predicted(stable) == before[0] + 300
    until(lambda: predicted(canary) >= before[1] + 300, "the last copies are answered")
    assert predicted(canary) == before[1] + 300


def predicted(addresses: list[str]) -> float:
    """How many pictures these instances have answered for, as they count themselves."""
    pages = [httpx.get(f"{address}/metrics").text for address in addresses]
    counts = re.findall(r'duration_seconds_count{.*http_route="/predict".*} (\S+)', "".join(pages))
    return sum(map(float, counts))


def test_a_killed_app_is_back_within_seconds_and_answered_for_meanwhile(platform: Platform) -> None:
    [pid] = pids(platform, "detector")
    psutil.Process(pid).kill()
    seen: list[httpx.Response] = []

    def back() -> bool:
        seen.append(httpx.get(f"{platform.gateway}/detector/ready"))
        return seen[-1].status_code == 200

    until(back, "the detector answers again", 5)
    assert len(seen) > 1
    for answer in seen[:-1]:
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"


def test_refresh_reports_what_happened_to_a_killed_app(platform: Platform) -> None:
    [pid] = pids(platform, "detector")
    psutil.Process(pid).kill()
    until(lambda: pids(platform, "detector") not in ([pid], [0]), "another process of the detector", 5)
    told = platform.pulumi("refresh", "--yes", "--skip-preview", "--diff", "--stack", "local")
    assert '"RUNNING" => "RESTARTED"' in told.stdout


def test_an_upload_that_postgres_dies_under_is_kept_whole_or_refused(platform: Platform, coins: bytes) -> None:
    with Traffic(platform.upload("/images/", coins), per_second=8) as uploads:
        uploads.more(10)
        with unmended(platform):
            kill_postgres_under_uploads(platform)
            uploads.more(3, status=503)
        uploads.more(10, status=201)
    assert set(uploads.statuses) == {201, 503}
    for answer in uploads.answers:
        if answer.status == 503:
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) >= 1
    until(lambda: stored(platform).whole, "every row has its file, every file its row, and nothing is under way", 60)
    acknowledged = [json.loads(answer.body) for answer in uploads.answers if answer.status == 201]
    assert {image["id"] for image in acknowledged} <= stored(platform).rows
    for image in acknowledged:
        place = f"{platform.gateway}/images/{image['id']}"
        assert httpx.get(f"{place}/content").content == coins
        assert len(httpx.get(f"{place}/objects").json()["objects"]) == len(image["objects"])


@contextmanager
def unmended(platform: Platform) -> Iterator[None]:
    """Let nothing that dies be started again meanwhile."""
    supervisor = psutil.Process(Supervisord(Home(str(platform.root / ".modelserve/local"))).call("getPID"))
    supervisor.suspend()
    try:
        yield
    finally:
        supervisor.resume()


def kill_postgres_under_uploads(platform: Platform) -> None:
    """Kill it when some have written their file, and none can write its row."""
    [server] = [
        process
        for process in platform.processes()
        if process.info["name"] == "postgres" and "-D" in process.info["cmdline"]
    ]
    with closing(psycopg.connect(told(platform, "DATABASE_URL"))) as connection:
        connection.execute("LOCK TABLE images IN SHARE MODE")
        until(lambda: len(stored(platform).files - stored(platform).rows) >= 3, "files without rows")
        server.kill()


def stored(platform: Platform) -> Kept:
    """What the images app has in its database and in its folder, read past the app."""
    folder = Path(told(platform, "OBJECT_STORE_URL").removeprefix("file://"))
    return asyncio.run(kept(told(platform, "DATABASE_URL"), folder))


def told(platform: Platform, variable: str) -> str:
    """What the images app was told."""
    [app] = [process for process in platform.processes() if process.info["cmdline"][-2:] == ["apps.runtime", "images"]]
    return app.info["environ"][variable]


def test_an_answer_that_is_kept_comes_from_redis(platform: Platform, coffee: bytes) -> None:
    platform.configure("apps.classifier.cache", {"ttl_s": 60})
    platform.up()
    first, second = (platform.post("/classifier/predict", coffee) for _ in range(2))
    assert [answer.headers["x-modelserve-cache"] for answer in (first, second)] == ["miss", "hit"]
    assert first.json()["predictions"] == second.json()["predictions"]
