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

from tests.local.conftest import jpeg
from toolchain import places
from toolchain.setup import ensure_environment

pytestmark = [pytest.mark.local, pytest.mark.timeout(300)]  # the environment has to be made once

HERE = Path(__file__).parent
VENV = places.CHECKOUT / ".venv-clients"
SENTIMENT = {
    "MODEL_NAME": "distilbert_sst2",
    "MODEL_VERSION": "1.0.0",
    "MODEL_ALTERNATIVE": "minilm_sentiment@1.2.0",
}


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
    """What the clients are told: where the apps are, and a picture for them."""
    picture = tmp_path_factory.mktemp("clients") / "coins.jpg"
    picture.write_bytes(jpeg(data.coins()))
    with ExitStack() as stack:
        predictor = stack.enter_context(running("bert-sentiment-predictor", MAX_AXIS="128", **SENTIMENT))
        transformer = stack.enter_context(
            running("bert-sentiment", BERT_SENTIMENT_PREDICTOR_URL=predictor, **SENTIMENT)
        )
        released = yaml.safe_load((places.CHECKOUT / "apps/detector/app.yaml").read_text())["model"]
        detector = stack.enter_context(
            running("detector", MODEL_NAME=released["name"], MODEL_VERSION=released["version"])
        )
        yield {"PREDICTOR": predictor, "TRANSFORMER": transformer, "DETECTOR": detector, "PICTURE": str(picture)}


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
