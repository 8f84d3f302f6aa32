"""What a user gets from a platform that is up, through the gateway."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import httpx
import numpy as np
import pytest
from skimage import data

from models.road import LABELS
from models.road.draw import holdout
from tests.apps.images_stage import problem
from tests.apps.pictures import BAD
from tests.local.conftest import jpeg
from tests.local.platform import Platform
from tests.until import until

pytestmark = pytest.mark.local


def test_what_the_readme_has_one_type_first_finds_the_24_coins(platform: Platform, tmp_path: Path) -> None:
    _, _, after = (platform.root / "README.md").read_text().partition("Where do the coins lie in a photograph?\n\n")
    commands = textwrap.dedent(after.partition("\n\n")[0])
    for theirs, ours in {"http://127.0.0.1:8080": platform.gateway, "/tmp/": f"{tmp_path}/"}.items():  # noqa: S108
        assert theirs in commands
        commands = commands.replace(theirs, ours)
    # A shell that knows of no environment yet.
    path = os.pathsep.join(entry for entry in os.get_exec_path() if not entry.endswith("/.venv/bin"))
    env = {**os.environ, "PATH": path, "PYTHON": sys.executable}
    typed = subprocess.run(["sh", "-ec", commands], cwd=platform.root, env=env, capture_output=True, check=False)
    assert typed.returncode == 0, typed.stderr
    objects = json.loads(typed.stdout)["objects"]
    assert len(objects) == 24
    assert all({"bbox", "centroid", "radius", "confidence"} <= one.keys() for one in objects)


def test_the_gateway_lists_what_is_there(platform: Platform) -> None:
    told = httpx.get(f"{platform.gateway}/").json()
    assert {"classifier", "detector", "images", "ner"} <= {app["name"] for app in told["apps"]}


def test_coins_uploaded_to_images_are_found_stored_and_served_again(platform: Platform, coins: bytes) -> None:
    stored = platform.post("/images/", coins)
    assert stored.status_code == 201
    objects = stored.json()["objects"]
    assert 20 <= len(objects) <= 26
    assert {"id", "bbox", "centroid", "radius", "confidence"} <= objects[0].keys()
    place = f"{platform.gateway}/images/{stored.json()['id']}"
    assert len(httpx.get(f"{place}/objects").json()["objects"]) == len(objects)
    assert httpx.get(f"{place}/objects/{objects[0]['id']}").json()["centroid"] == objects[0]["centroid"]
    assert httpx.get(f"{place}/content").content == coins


def test_the_versioned_route_reaches_the_same_app(platform: Platform, coins: bytes) -> None:
    identifier = platform.post("/images/", coins).json()["id"]
    assert httpx.get(f"{platform.gateway}/api/v1/images/{identifier}/objects").status_code == 200


def test_rows_are_in_postgres_and_bytes_in_the_project_folder(platform: Platform, coins: bytes) -> None:
    before = sum(
        1 for file in (platform.root / ".modelserve").rglob("*") if file.is_file() and file.stat().st_size == len(coins)
    )
    platform.post("/images/", coins)
    after = sum(
        1 for file in (platform.root / ".modelserve").rglob("*") if file.is_file() and file.stat().st_size == len(coins)
    )
    assert after == before + 1
    assert list((platform.root / ".modelserve/local/data/postgres").rglob("PG_VERSION"))


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("coffee", ("espresso", "cup")),
        ("chelsea", ("cat", "tabby", "Egyptian")),
        ("rocket", ("missile", "rocket", "projectile", "space")),
    ],
)
def test_the_classifier_knows_real_pictures(platform: Platform, picture: str, words: tuple[str, ...]) -> None:
    answer = platform.post("/classifier/predict", jpeg(getattr(data, picture)()), top_k="3").json()
    assert len(answer["predictions"]) == 3
    assert any(word in answer["predictions"][0]["label"] for word in words)
    assert answer["inference_time_ms"] > 0


def test_the_classifier_says_which_model_stands_in_for_which(platform: Platform) -> None:
    told = httpx.get(f"{platform.gateway}/classifier/model/info").json()
    assert told["name"] in ("resnet50", "efficientnet_lite0")
    assert ("served_as_alternative_for" in told) == (told["name"] == "efficientnet_lite0")


def test_names_in_a_text_are_found_where_they_stand(platform: Platform) -> None:
    text = "🙂 Yesterday Angela Merkel met engineers of Siemens in Munich."
    found = httpx.post(f"{platform.gateway}/ner/predict", json={"text": text}).json()
    assert {text[each["start"] : each["end"]] for each in found} >= {"Angela Merkel", "Siemens", "Munich"}


def test_a_sequence_goes_through_transformer_and_predictor(platform: Platform) -> None:
    url = f"{platform.gateway}/bert-sentiment/v1/models/bert-sentiment:predict"
    found = [
        httpx.post(url, json={"sequence": text}).json()["predictions"][0] for text in ("I love it.", "Awful food.")
    ]
    assert [one["label"] for one in found] == ["POSITIVE", "NEGATIVE"]


def test_raw_tensors_pass_the_gateway_both_ways(platform: Platform) -> None:
    names, row = ("input_ids", "attention_mask", "token_type_ids"), np.array([101, 2204, 102], "<i8")
    of_row = {"datatype": "INT64", "shape": [1, 3], "parameters": {"binary_data_size": row.nbytes}}
    said = {"inputs": [{"name": name, **of_row} for name in names], "parameters": {"binary_data_output": True}}
    head = json.dumps(said).encode()
    answer = httpx.post(
        f"{platform.gateway}/bert-sentiment-predictor/v2/models/bert-sentiment-predictor/infer",
        content=head + row.tobytes() + np.ones_like(row).tobytes() + np.zeros_like(row).tobytes(),
        headers={"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"},
    )
    logits = np.frombuffer(answer.content[int(answer.headers["inference-header-content-length"]) :], "<f4")
    assert logits.argmax() == 1


def test_a_road_is_dry_or_wet_and_the_answer_says_which_model_gave_it(platform: Platform) -> None:
    pictures = holdout(2)
    found = [platform.post("/dry-wet-model/predict", picture.jpeg).json() for picture in pictures]
    assert [each["prediction"] for each in found] == [LABELS[picture.label] for picture in pictures] == ["dry", "wet"]
    assert {(each["model"], each["version"]) for each in found} == {("road_lite", "1.0.0")}
    told = httpx.get(f"{platform.gateway}/dry-wet-model/model/info").json()
    assert told["served_as_alternative_for"] == "road@production"


@pytest.mark.parametrize(
    "prefix", ["bert-sentiment", "bert-sentiment-predictor", "detector", "classifier", "dry-wet-model", "ner"]
)
def test_every_model_app_has_the_common_routes(platform: Platform, prefix: str) -> None:
    for path in ("health", "ready", "metrics", "model/info", "docs", "redoc", "openapi.json", "v1/models", "v2"):
        assert httpx.get(f"{platform.gateway}/{prefix}/{path}").status_code == 200, path


def test_prometheus_sees_every_instance(platform: Platform) -> None:
    prometheus = platform.outputs()["services"]["prometheus"]

    def seen() -> set[str | None]:
        found = httpx.get(f"{prometheus}/api/v1/targets").json()["data"]["activeTargets"]
        return {target["labels"].get("app") for target in found}

    # It reads the list of a new instance a moment after the instance is up.
    until(lambda: {"classifier", "detector", "images", "ner", "sentiment"} <= seen(), "Prometheus knows every app")


def test_status_shows_every_app_ready(platform: Platform) -> None:
    told = platform.modelserve("status")
    assert told.returncode == 0, told.stdout + told.stderr
    assert all(app in told.stdout for app in ("classifier", "detector", "images"))


def test_doctor_finds_nothing_wrong(platform: Platform) -> None:
    told = platform.modelserve("doctor")
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("path", ["/images/", "/classifier/predict", "/detector/predict", "/dry-wet-model/predict"])
@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_picture_is_refused_with_its_problem(platform: Platform, path: str, kind: str) -> None:
    content, status, slug = BAD[kind]
    answer = platform.post(path, content)
    assert (answer.status_code, problem(answer)) == (status, slug)


def test_an_upload_over_the_limit_is_refused_by_the_gateway(platform: Platform) -> None:
    answer = platform.post("/images/", b"\xff" * (11 * 2**20))
    assert (answer.status_code, problem(answer)) == (413, "about:blank")


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]", "localhost"])
def test_pictures_are_not_fetched_from_inside(platform: Platform, host: str) -> None:
    answer = httpx.post(f"{platform.gateway}/classifier/predict/url", json={"url": f"http://{host}/x.jpg"})
    assert (answer.status_code, problem(answer)) == (422, "url-refused")
