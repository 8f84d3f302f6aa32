"""tritonclient and KServe's SDK, unchanged, get from apps in processes what they expect."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml
from skimage import data

from models.road.draw import holdout
from tests.clients.served import NAMES
from tests.local.conftest import jpeg
from toolchain import places
from toolchain.setup import ensure_environment

pytestmark = [pytest.mark.local, pytest.mark.timeout(300)]  # the environment has to be made once

HERE = Path(__file__).parent
VENV = places.CHECKOUT / ".venv-clients"


@contextmanager
def running(app: str, **told: str) -> Iterator[str]:
    """The URL of an app that is ready."""
    command = [sys.executable, "-m", "apps.runtime", app]
    process = subprocess.Popen(command, env=os.environ | {"PORT": "0"} | told, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        url = ""
        for line in process.stdout:
            said = json.loads(line)
            url = f"http://127.0.0.1:{said['port']}" if said["event"] == "listening" else url
            if said["event"] == "model ready":
                yield url
                break
        else:
            pytest.fail(f"{app} ended with {process.wait()}")
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the clients are told: where the apps are, and pictures for them."""
    folder = tmp_path_factory.mktemp("clients")
    pictures = {"COINS": jpeg(data.coins()), "COFFEE": jpeg(data.coffee()), "WET_ROAD": holdout(2)[1].jpeg}
    told = {name: str(folder / f"{name}.jpg") for name in pictures}
    for name, content in pictures.items():
        Path(told[name]).write_bytes(content)
    with ExitStack() as stack:
        for app in ("bert-sentiment-predictor", *NAMES):  # the transformer asks the predictor, which is there first
            variable = app.upper().replace("-", "_")
            more = {"MAX_AXIS": "128"} if app == "bert-sentiment-predictor" else {}
            if app == "bert-sentiment":
                more = {"BERT_SENTIMENT_PREDICTOR_URL": told["BERT_SENTIMENT_PREDICTOR"]}
            told[variable] = stack.enter_context(running(app, **served(app), **more))
        yield told


def served(app: str) -> dict[str, str]:
    """The model of an app as it is released, as its process is told."""
    model = yaml.safe_load((places.CHECKOUT / f"apps/{app}/app.yaml").read_text())["model"]
    instead = model.get("alternative")
    more = {"MODEL_ALTERNATIVE": f"{instead['name']}@{instead['version']}"} if instead else {}
    return {"MODEL_NAME": model["name"], "MODEL_VERSION": model["version"], **more}


@pytest.fixture(scope="module")
def python() -> Path:
    """The clients' interpreter; their packages and ours exclude each other."""
    ensure_environment(VENV, "clients", "1 min, 500 MB")
    return VENV / "bin" / "python"


@pytest.mark.parametrize("client", ["triton", "kserve_sdk"])
def test_a_client_gets_what_it_expects(client: str, python: Path, apps: dict[str, str]) -> None:
    told = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--noconftest", f"{client}.py"],
        cwd=HERE,
        env=os.environ | apps | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
