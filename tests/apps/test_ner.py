"""The ner app with the model that the project trained."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from apps.ner.app import Settings, create
from apps.runtime import server
from models.ner import export
from tests.apps.conftest import running, serving

pytestmark = pytest.mark.anyio

TEXT = "Maria Jensen works for Siemens in Hamburg."
NAMES = [("PER", "Maria Jensen"), ("ORG", "Siemens"), ("LOC", "Hamburg")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the alternative only."""
    store = tmp_path_factory.mktemp("store")
    export.make(store / "minilm_ner" / "1.2.0")
    return store


def settings(store: Path) -> Settings:
    return Settings(
        model_name="bert_ner",
        model_version="1.0.0",
        model_alternative="minilm_ner@1.2.0",
        model_stores=(store,),
        threads=1,
    )


@pytest.fixture
async def client(made: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving("ner", create(settings(made)), settings(made)) as client:
        yield client


def brief(found: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(one["entity"], one["text"]) for one in found]


async def test_predict_answers_names_with_their_places(client: httpx.AsyncClient) -> None:
    found = (await client.post("/predict", json={"text": TEXT})).json()
    assert brief(found) == NAMES
    assert all(TEXT[one["start"] : one["end"]] == one["text"] for one in found)
    assert all(0 < one["score"] <= 1 for one in found)


async def test_v1_answers_texts_in_their_order(client: httpx.AsyncClient) -> None:
    instances = {"instances": ["It rained all day.", TEXT]}
    answer = (await client.post("/v1/models/ner:predict", json=instances)).json()["predictions"]
    assert answer[0] == {"entities": []}
    assert brief(answer[1]["entities"]) == NAMES


async def test_v2_answers_one_json_text_for_each(client: httpx.AsyncClient) -> None:
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [TEXT]}
    (output,) = (await client.post("/v2/models/ner/infer", json={"inputs": [tensor]})).json()["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("entities", "BYTES", [1])
    assert brief(json.loads(output["data"][0])) == NAMES


async def test_places_are_code_points_whatever_stands_before(client: httpx.AsyncClient) -> None:
    text = "\U0001f600\U0001f468\u200d\U0001f469 東京 cafe\u0301: " + TEXT
    found = (await client.post("/predict", json={"text": text})).json()
    assert NAMES[0] in brief(found)
    assert all(text[one["start"] : one["end"]] == one["text"] for one in found)


async def test_a_name_at_the_end_of_a_long_text_is_found_where_it_is(client: httpx.AsyncClient) -> None:
    text = "It rained all day and nothing happened. " * 60 + TEXT
    found = (await client.post("/predict", json={"text": text})).json()
    assert brief(found) == NAMES
    assert found[0]["start"] == text.index("Maria")


@pytest.mark.parametrize("instance", [7, None, {"text": "x"}, "", " "])
async def test_an_instance_that_is_no_text_is_refused(client: httpx.AsyncClient, instance: object) -> None:
    answer = await client.post("/v1/models/ner:predict", json={"instances": [instance]})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_it_says_what_it_stands_in_for_and_how_good_it_is(client: httpx.AsyncClient) -> None:
    info = (await client.get("/model/info")).json()
    assert info["served_as_alternative_for"] == "bert_ner@1.0.0"
    assert info["metrics"]["holdout_sentences"] >= 100


async def test_without_weights_it_is_not_ready_and_answers_nothing(tmp_path: Path) -> None:
    app = create(settings(tmp_path))
    assert app.model
    async with running(server.build("ner", app, settings(tmp_path))) as client:
        await app.model.loading
        assert (await client.get("/ready")).status_code == 503
        assert (await client.post("/predict", json={"text": TEXT})).status_code == 503
