"""What the apps' OpenAPI documents promise, and that they keep it whatever they are sent."""

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
from schemathesis import openapi

from tests.apps.conftest import serving
from tests.apps.doubler import app_for, settings_for
from tests.apps.images_stage import problem, stage
from tests.apps.pictures import b64, noise, upload
from tests.apps.processes import running

pytestmark = pytest.mark.anyio

SENTIMENT = {
    "MODEL_NAME": "distilbert_sst2",
    "MODEL_VERSION": "1.0.0",
    "MODEL_ALTERNATIVE": "minilm_sentiment@1.2.0",
}
APPS: dict[str, dict[str, str]] = {
    "bert-sentiment": SENTIMENT,
    "bert-sentiment-predictor": {**SENTIMENT, "MAX_AXIS": "128"},
    "classifier": {
        "MODEL_NAME": "resnet50",
        "MODEL_VERSION": "1.0.0",
        "MODEL_ALTERNATIVE": "efficientnet_lite0@1.0.0",
    },
    "detector": {"MODEL_NAME": "circle_detector", "MODEL_VERSION": "1.1.0"},
    "images": {"MODE": "dummy"},
    "ner": {"MODEL_NAME": "bert_ner", "MODEL_VERSION": "1.0.0", "MODEL_ALTERNATIVE": "minilm_ner@1.2.0"},
    "road": {"MODEL_NAME": "road", "MODEL_VERSION": "@production", "MODEL_ALTERNATIVE": "road_lite@1.0.0"},
    "sentiment": SENTIMENT,
}

# A document cannot say of bytes that they must be a picture, nor what an app takes for an instance.
EXAMPLES = "5"
BEYOND_DOCUMENTS = "positive_data_acceptance"
OWN = ("--include-path-regex", r"^/$|^/predict|:predict$|\{name\}/infer$")
"""An app's own paths, and those whose answers depend on it."""


@pytest.mark.parametrize("app", APPS)
def test_no_request_breaks_the_contract_or_the_app(app: str, tmp_path: Path) -> None:
    told, token = APPS[app], tmp_path / "token"
    token.write_text("unknown to whoever asks")
    token.chmod(0o600)
    with ExitStack() as stack:
        if app == "bert-sentiment":
            url = stack.enter_context(running("bert-sentiment-predictor", tmp_path, **APPS["bert-sentiment-predictor"]))
            told = told | {"BERT_SENTIMENT_PREDICTOR_URL": url}
        if app == "images":
            told = told | {"DATABASE_URL": f"sqlite:///{tmp_path}/images.db", "OBJECT_STORE_URL": tmp_path.as_uri()}
        else:
            told = told | {"RELOAD_TOKEN_FILE": str(token)}
        url = stack.enter_context(running(app, tmp_path, **told))
        # The runtime's other paths are the same in all apps: once is enough.
        tried = schemathesis(url, known(app, url), tmp_path, *(() if app in ("detector", "images") else OWN))
        assert tried.returncode == 0, tried.stdout + tried.stderr
        if app != "images":
            predictions_are_as_documented(url)
        assert httpx.get(f"{url}/ready").is_success
    assert not re.search(r'"status": 5(?!04)', (tmp_path / f"{app}.log").read_text())


def known(app: str, url: str) -> dict[str, str]:
    """Names that lead to something: an app that knows nothing of what it is asked for has an easy life."""
    if app == "images":
        stored = httpx.post(f"{url}/images/", files=upload(noise())).json()
        return {"image_id": stored["id"], "object_id": stored["objects"][0]["id"]}
    served = httpx.get(f"{url}/model/info").json()
    return {"name": served["name"], "version": served["version"]}


def predictions_are_as_documented(url: str) -> None:
    """Noise is hardly ever answered: what is, in V1 and V2, in JSON and raw, is held to the document here."""
    document, name = openapi.from_url(f"{url}/openapi.json"), httpx.get(f"{url}/model/info").json()["name"]
    about = httpx.get(f"{url}/v2/models/{name}")
    document["/v2/models/{name}"]["GET"].validate_response(about)
    inputs = about.json()["inputs"]
    values = [example(one["name"], one["datatype"]) for one in inputs]
    instance = (
        values[0] if len(values) == 1 else {one["name"]: value for one, value in zip(inputs, values, strict=True)}
    )
    sent = [
        {"name": one["name"], "datatype": one["datatype"], "shape": [1, *np.shape(value)], "data": [value]}
        for one, value in zip(inputs, values, strict=True)
    ]
    infer, predict = "/v2/models/{name}/infer", "/v1/models/{name}:predict"
    for path, asked in (
        (predict, {"instances": [instance]}),
        (infer, {"id": "7", "inputs": sent}),
        (infer, {"inputs": sent, "parameters": {"binary_data_output": True}}),
    ):
        answer = httpx.post(f"{url}{path.replace('{name}', name)}", json=asked)
        assert answer.status_code == 200, answer.text
        document[path]["POST"].validate_response(answer)


def example(name: str, datatype: str) -> str | list[int]:
    """An instance of an input: of pictures, of texts, of numbers that stand for the pieces of a text."""
    if datatype != "BYTES":
        return [1, 1, 1]
    return b64(noise()) if name == "image" else "A good road."


def schemathesis(url: str, known: dict[str, str], folder: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    """Run it: the same requests in every run."""
    told = folder / "schemathesis.toml"
    values = "".join(f'"path.{name}" = {{dictionary = "{name}", probability = 0.9}}\n' for name in known)
    lists = "".join(f'[dictionaries.{name}]\nvalues = ["{value}"]\n' for name, value in known.items())
    # A caller who gives the app a millisecond gets 504, which is no fault.
    allowed = '[checks]\nnot_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "504"]\n'
    told.write_text(f"{allowed}[parameters]\n{values}{lists}")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(told), "run", f"{url}/openapi.json"]
    command += ["--phases", "coverage,fuzzing", "--max-examples", EXAMPLES, "--generation-deterministic"]
    command += ["--exclude-checks", BEYOND_DOCUMENTS, "--warnings", "off", "--no-color", *more]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


async def test_errors_are_documented_as_the_problems_that_they_are(store: Path) -> None:
    settings = settings_for(store)
    async with serving("doubler", app_for(settings), settings) as client:
        document = (await client.get("/openapi.json")).json()
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len(operations) > 10
    for operation in operations:
        for status in ("4XX", "5XX"):
            [(kind, content)] = operation["responses"][status]["content"].items()
            assert kind == "application/problem+json"
            assert content["schema"]["$ref"].removeprefix("#/components/schemas/") in document["components"]["schemas"]


async def test_a_refused_method_is_told_all_that_its_path_takes(tmp_path: Path) -> None:
    async with stage(f"sqlite:///{tmp_path}/images.db", tmp_path) as app:
        refused = await app.client.put("/images/")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")


async def test_a_verb_behind_a_model_is_no_part_of_its_name(store: Path) -> None:
    settings = settings_for(store)
    async with serving("doubler", app_for(settings), settings) as client:
        refused = await client.get("/v1/models/doubler:predict")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


async def test_the_version_of_a_model_is_asked_for_by_path_alone(store: Path) -> None:
    settings = settings_for(store)
    async with serving("doubler", app_for(settings), settings) as client:
        document = (await client.get("/openapi.json")).json()
    told = document["paths"]["/v2/models/{name}/infer"]["post"]["parameters"]
    assert [one["name"] for one in told if one["in"] != "header"] == ["name"]


@pytest.mark.parametrize("identifier", [7, None, ["a"], {"a": 1}])
async def test_an_id_that_is_no_string_is_refused(store: Path, identifier: object) -> None:
    settings = settings_for(store)
    asked = {"id": identifier, "inputs": [{"name": "number", "datatype": "BYTES", "shape": [1], "data": ["1"]}]}
    async with serving("doubler", app_for(settings), settings) as client:
        refused = await client.post("/v2/models/doubler/infer", json=asked)
    assert (refused.status_code, problem(refused)) == (422, "invalid-request")


async def test_a_misspelt_cursor_is_refused_instead_of_getting_the_first_page(tmp_path: Path) -> None:
    async with stage(f"sqlite:///{tmp_path}/images.db", tmp_path) as app:
        refused = await app.client.get("/images/", params={"curser": "x"})
        assert (refused.status_code, problem(refused)) == (422, "invalid-request")
