"""A model's way into production: logged, registered, an alias moved, and served without a request lost."""

import json
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import numpy as np
import pytest
import yaml

from tests.apps.road import write_road
from tests.local.conftest import checkout, jpeg
from tests.local.platform import Platform, free_ports
from tests.local.tracking import Tracking
from tests.until import until
from toolchain import places
from toolchain.setup import ensure_mlflow

pytestmark = [pytest.mark.local, pytest.mark.timeout(300)]  # the environment has to be made once

ROAD = "/dry-wet-model"
APP = {
    "name": "road",
    "summary": "Says whether the road in a picture is dry or wet.",
    "command": ["python", "-m", "apps.runtime", "road"],
    "model": {"name": "road", "version": "@production", "alternative": {"name": "road_lite", "version": "1.0.0"}},
    "routes": [{"prefix": f"{ROAD}/"}],
    "workers": 2,
}
BRIGHT = jpeg(np.full((48, 64, 3), 240, np.uint8))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with MLflow and, of the apps, the one whose model the registry names."""
    ensure_mlflow()
    made = checkout(tmp_path_factory.mktemp("p"))
    (made.root / places.MLFLOW.name).symlink_to(places.MLFLOW)
    write_road(made.root / "store", "1.0.0", "road_lite")
    (made.root / "apps/road/app.yaml").write_text(yaml.safe_dump(APP))
    made.configure("mlflow.enabled", True)
    made.configure("mlflow.port", free_ports(3)[-1])
    made.configure("models.stores", [str(made.root / "store")])
    for app in (made.root / "apps").glob("*/app.yaml"):
        if app.parent.name != "road":
            made.configure(f"apps.{app.parent.name}.enabled", False)
    made.environment["MODELSERVE_CACHE"] = str(made.root / "cache")
    with made.up_meanwhile():
        yield made


@pytest.fixture(scope="module")
def registered(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """MLflow's numbers of two versions by what they take bright pictures for; neither is in production yet."""
    tracking = Tracking(platform.outputs()["services"]["mlflow"])
    store = tmp_path_factory.mktemp("made")
    return {
        "wet": tracking.register(write_road(store, "1.0.0+aaaa1111", wet=4)),
        "dry": tracking.register(write_road(store, "1.1.0+bbbb2222", wet=-4)),
    }


class Load:
    """Asks for predictions without a pause, from a thread of its own."""

    def __init__(self, platform: Platform) -> None:
        self.seen: Counter[tuple[int, str, str]] = Counter()
        self._platform, self._over = platform, Event()
        self._threads = [Thread(target=self._ask) for _ in range(4)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._platform.gateway, timeout=30, trust_env=False) as client:
            while not self._over.is_set():
                answer = client.post(f"{ROAD}/predict", files={"file": BRIGHT})
                told = answer.json()
                self.seen[answer.status_code, told.get("version", ""), told.get("prediction", answer.text)] += 1

    def answers(self, version: str) -> int:
        return sum(times for (_, served, _), times in self.seen.items() if served == version)


def reload(platform: Platform) -> list[dict[str, Any]]:
    """What the project's own command says of each of the app's two processes."""
    done = platform.modelserve("reload", "road", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_before_anything_is_registered_the_alternative_serves(platform: Platform) -> None:
    told = httpx.get(f"{platform.gateway}{ROAD}/model/info").json()
    assert (told["name"], told["served_as_alternative_for"]) == ("road_lite", "road@production")


def test_status_and_doctor_know_mlflow(platform: Platform) -> None:
    told = json.loads(platform.modelserve("status", "--json").stdout)
    assert httpx.get(f"{told['services']['mlflow']}/health").text == "OK"
    checks = json.loads(platform.modelserve("doctor", "--json").stdout)
    assert [each for each in checks if "mlflow" in each["check"] and each["ok"]], checks


def test_mlflow_is_called_by_its_own_name_only(platform: Platform) -> None:
    url = platform.outputs()["services"]["mlflow"]
    assert httpx.get(f"{url}/api/2.0/mlflow/experiments/search", headers={"host": "evil.example"}).status_code == 403


def test_the_token_is_the_users_alone_and_nowhere_else(platform: Platform) -> None:
    file = platform.root / ".modelserve/local/secrets/reload.token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = file.read_text().strip()
    running = [process.info for process in platform.processes()]
    told = [" ".join([*(each["cmdline"] or []), *(each["environ"] or {}).values()]) for each in running]
    assert told
    state = [path.read_text(errors="replace") for path in (platform.root / ".modelserve/state").rglob("*.json")]
    logs = [path.read_text(errors="replace") for path in (platform.root / ".modelserve/local/log").glob("*.log")]
    assert not [text for text in [*told, *state, *logs] if token in text]


def test_moving_the_alias_and_reloading_changes_what_is_served_and_loses_nothing(
    platform: Platform, registered: dict[str, str]
) -> None:
    tracking = Tracking(platform.outputs()["services"]["mlflow"])
    with Load(platform) as load:
        for what, version in (("wet", "1.0.0+aaaa1111"), ("dry", "1.1.0+bbbb2222"), ("wet", "1.0.0+aaaa1111")):
            tracking.point("road", registered[what])
            # Whether that changes a process depends on whether it looked at the alias meanwhile.
            assert [each["version"] for each in reload(platform)] == [version] * 2
            before = load.answers(version)
            until(lambda version=version, before=before: load.answers(version) >= before + 20, f"answers of {version}")
    assert set(load.seen) <= {
        (200, "1.0.0", "wet"),
        (200, "1.0.0+aaaa1111", "wet"),
        (200, "1.1.0+bbbb2222", "dry"),
    }
    kept = sorted(path.parent.name for path in Path(platform.environment["MODELSERVE_CACHE"]).rglob("artefact.json"))
    assert kept == ["1.0.0+aaaa1111", "1.1.0+bbbb2222"]


def test_both_processes_follow_the_alias_without_being_told(platform: Platform, registered: dict[str, str]) -> None:
    tracking = Tracking(platform.outputs()["services"]["mlflow"])
    [version] = platform.outputs()["apps"]["road"]["versions"]
    assert len(version["addresses"]) == 2

    def served() -> set[str]:
        return {httpx.get(f"{address}/model/info").json()["version"] for address in version["addresses"]}

    for what, expected in (("dry", "1.1.0+bbbb2222"), ("wet", "1.0.0+aaaa1111")):
        tracking.point("road", registered[what])
        until(lambda expected=expected: served() == {expected}, f"both processes to serve {expected}", 60)


def test_whoever_has_the_token_may_reload_through_the_gateway(platform: Platform, registered: dict[str, str]) -> None:
    url = f"{platform.gateway}{ROAD}/model/reload"
    assert httpx.post(url).status_code == 401
    token = (platform.root / ".modelserve/local/secrets/reload.token").read_text().strip()
    assert httpx.post(url, headers={"Authorization": f"Bearer {token}"}).json()["changed"] is False


def test_a_second_up_changes_nothing_and_keeps_what_is_served(platform: Platform, registered: dict[str, str]) -> None:
    assert set(platform.up()) == {"same"}
    assert httpx.get(f"{platform.gateway}{ROAD}/model/info").json()["version"] == "1.0.0+aaaa1111"
