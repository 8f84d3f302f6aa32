"""The road model's way from a data zip to production, with a real tracking server and a training that is killed."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from infra.local import mlflow, ports
from models import registry
from models.artefact import Artefact
from models.road import LABELS
from models.road.config import DEFAULT
from models.road.draw import holdout
from tests.apps.processes import running
from tests.apps.road import write_road
from tests.until import until
from toolchain import places

PYTHON = places.TRAINING / "bin" / "python"

pytestmark = [
    pytest.mark.local,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (PYTHON.exists() and mlflow.BINARY.exists()),
        reason="6 GB of packages train: make training; a stack with mlflow.enabled has the tracking server",
    ),
]

TINY = {"size": 32, "batch": 4, "epochs": 1, "holdout": 8, "checkpoint_steps": 2, "gate": {"accuracy": 0.0}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def tracking(root: Path) -> Iterator[str]:
    """URL of a tracking server."""
    [port] = ports.choose(1, 15600, ())
    command = [str(mlflow.BINARY), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{root}/mlflow.db"]
    command += ["--serve-artifacts", "--artifacts-destination", str(root / "mlflow")]
    told = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (root / "mlflow.log").open("w") as log:
        process = subprocess.Popen(command, env=os.environ | told, stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: ports.answers(port, "/health"), "MLflow to answer", 120)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def command(root: Path, work: str, tracking: str, **told: Any) -> list[str]:
    """The training of a tiny network, with its folder ``work``."""
    config = root / f"{work}.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(DEFAULT.read_text()) | TINY | told))
    given = ["--local", "--work", str(root / work), "--config", str(config), "--mlflow", tracking]
    given += ["--minio-endpoint", (root / "store").as_uri(), "--source-data-bucket", "data"]
    return [str(PYTHON), "-m", "models.road.run_train_pipeline", *given]


def run(root: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"RELOAD_TOKEN_FILE": str(root / "token")}
    return subprocess.run(command, cwd=places.CHECKOUT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def app(root: Path, tracking: str) -> Iterator[str]:
    """URL of the app that serves what is in production; it started when nothing was."""
    (root / "token").write_text("a-token")
    write_road(root / "artefacts", "1.0.0", "road_lite")
    told = {"MODEL_NAME": "road", "MODEL_VERSION": "@production", "MODEL_ALTERNATIVE": "road_lite@1.0.0"}
    told |= {"MODEL_STORES": f"{root / 'artefacts'}{os.pathsep}mlflow+{tracking}"}
    told |= {"RELOAD_TOKEN_FILE": str(root / "token"), "MODELSERVE_CACHE": str(root / "app-cache")}
    with running("road", root, **told) as url:
        yield url


@pytest.fixture(scope="module")
def trained(root: Path, tracking: str, app: str) -> list[str]:
    """What two trainings said: one that was killed, begun again and not good enough, and one that is served."""
    data = [sys.executable, "-m", "models.road.data", "--out", str(root / "road.zip"), "--count", "22"]
    data += ["--minio-endpoint", (root / "store").as_uri(), "--source-data-bucket", "data"]
    subprocess.run(data, cwd=places.CHECKOUT, check=True, capture_output=True)
    (root / "killed").mkdir()
    (root / "whole").mkdir()
    killed = command(root, "killed", tracking, gate={"accuracy": 1.0})
    with subprocess.Popen(killed, cwd=places.CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("step 2 of"):
                process.kill()
                break
    assert process.returncode == -signal.SIGKILL
    refused = run(root, [*killed, "--app", app])
    assert httpx.get(f"{app}/model/info").json()["name"] == "road_lite"
    whole = run(root, [*command(root, "whole", tracking), "--app", app])
    assert (refused.returncode, whole.returncode) == (1, 0), refused.stderr + whole.stderr
    return [refused.stdout + refused.stderr, whole.stdout]


def version(said: str) -> str:
    found = re.search(r"registered road (\S+)", said)
    assert found, said
    return found[1]


def production(tracking: str, root: Path) -> Artefact:
    folder = registry.fetch(f"mlflow+{tracking}", "road", "@production", root / "cache")
    assert folder
    return Artefact.load(folder)


def test_a_training_that_was_killed_goes_on(trained: list[str]) -> None:
    steps = re.findall(r"^step (\d+) of 5", trained[0], re.MULTILINE)
    assert steps in (["4", "5"], ["5"])


def test_and_ends_as_if_it_had_not_been(trained: list[str], root: Path) -> None:
    for name in ("losses.json", "metrics.json"):
        killed, whole = (json.loads((root / work / "evaluated" / name).read_text()) for work in ("killed", "whole"))
        assert killed == whole


def test_what_was_trained_last_is_in_production_and_can_be_served(
    trained: list[str], tracking: str, root: Path
) -> None:
    found = production(tracking, root)
    assert found.version == version(trained[1])
    assert found.metrics == json.loads((root / "whole" / "evaluated" / "metrics.json").read_text())


def test_the_app_was_told_to_reload_and_serves_it(trained: list[str], app: str) -> None:
    told = httpx.get(f"{app}/model/info").json()
    assert (told["name"], told["version"]) == ("road", version(trained[1]))
    assert f"reloaded: {{'name': 'road', 'version': '{version(trained[1])}'" in trained[1]
    answer = httpx.post(f"{app}/predict", files={"file": holdout(1)[0].jpeg}).json()
    assert answer["version"] == version(trained[1])
    assert answer["prediction"] in LABELS


def test_the_app_holds_what_comes_to_the_reference_that_it_brings(trained: list[str], app: str) -> None:
    of_brightness = f'modelserve_drift_evidence{{statistic="brightness",version="{version(trained[1])}"}}'
    until(lambda: of_brightness in httpx.get(f"{app}/metrics").text, "the new version to be watched", 10)


def test_it_lies_in_the_bucket_of_models_too(trained: list[str], root: Path) -> None:
    folder = root / "store" / "models" / "road" / version(trained[1])
    assert Artefact.load(folder).version == version(trained[1])


def test_its_run_says_what_it_was_told_and_how_it_went(trained: list[str], tracking: str) -> None:
    query = {"name": "road", "alias": "production"}
    found = httpx.get(f"{tracking}/api/2.0/mlflow/registered-models/alias", params=query).json()["model_version"]
    asked = {"run_id": found["run_id"]}
    ran = httpx.get(f"{tracking}/api/2.0/mlflow/runs/get", params=asked).json()["run"]
    assert {"key": "augmentation.crop", "value": "0.8"} in ran["data"]["params"]
    assert {"holdout_accuracy", "loss"} <= {metric["key"] for metric in ran["data"]["metrics"]}
    assert ran["info"]["status"] == "FINISHED"


def test_one_that_is_not_good_enough_is_registered_and_no_more(trained: list[str]) -> None:
    reason = r"does not go into production: its holdout_accuracy is [\d.]+, below 1\.0\.\n  It stays registered"
    assert re.search(rf"road {re.escape(version(trained[0]))} {reason}", trained[0])
    assert "reloaded" not in trained[0]


def test_a_pipeline_that_is_run_again_registers_nothing_twice(trained: list[str], root: Path, tracking: str) -> None:
    again = run(root, command(root, "whole", tracking))
    assert again.returncode == 0, again.stderr
    assert version(again.stdout) == version(trained[1])
    query = {"filter": "name='road'"}
    found = httpx.get(f"{tracking}/api/2.0/mlflow/model-versions/search", params=query).json()["model_versions"]
    assert sorted(each["version"] for each in found) == ["1", "2"]


@pytest.mark.usefixtures("trained")
def test_a_run_is_not_gone_on_with_by_more_threads(root: Path, tracking: str) -> None:
    done = run(root, command(root, "whole", tracking, threads=2))
    assert done.returncode == 1
    assert "checkpoint.safetensors is of another config" in done.stderr


@pytest.mark.usefixtures("trained")
def test_a_tracking_server_that_is_away_is_noticed_before_the_training(root: Path) -> None:
    [port] = ports.choose(1, 15700, ())
    (root / "early").mkdir()
    done = run(root, command(root, "early", f"http://127.0.0.1:{port}"))
    assert done.returncode == 1
    assert f"MLflow does not answer at http://127.0.0.1:{port}" in done.stderr
    assert not (root / "early" / "run").exists()
