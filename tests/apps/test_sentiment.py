"""The sentiment app with the model that the project trained."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from apps.runtime import server
from apps.runtime.texts import MAX_CHARACTERS
from apps.sentiment.app import Settings, create
from models.sentiment import export
from tests.apps.conftest import running, serving

pytestmark = pytest.mark.anyio

GOOD, BAD = "I love this wonderful little hotel.", "The food was awful and the staff were rude."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the alternative only."""
    store = tmp_path_factory.mktemp("store")
    export.make(store / "minilm_sentiment" / "1.2.0")
    return store


def settings(store: Path) -> Settings:
    return Settings(
        model_name="distilbert_sst2",
        model_version="1.0.0",
        model_alternative="minilm_sentiment@1.2.0",
        model_stores=(store,),
        threads=1,
    )


@pytest.fixture
async def client(made: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving("sentiment", create(settings(made)), settings(made)) as client:
        yield client


async def test_v1_answers_texts_in_their_order(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/models/sentiment:predict", json={"instances": [GOOD, BAD, GOOD]})
    found = answer.json()["predictions"]
    assert [one["label"] for one in found] == ["POSITIVE", "NEGATIVE", "POSITIVE"]
    assert all(0.5 <= one["score"] <= 1 for one in found)


async def test_v2_answers_labels_and_scores(client: httpx.AsyncClient) -> None:
    tensor = {"name": "text", "datatype": "BYTES", "shape": [2], "data": [BAD, GOOD]}
    outputs = (await client.post("/v2/models/sentiment/infer", json={"inputs": [tensor]})).json()["outputs"]
    assert outputs[0] == {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["NEGATIVE", "POSITIVE"]}
    assert outputs[1]["name"] == "score"


async def test_predict_answers_label_score_and_model(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/predict", json={"text": GOOD})).json()
    assert answer["label"] == "POSITIVE"
    assert (answer["model"], answer["version"]) == ("minilm_sentiment", "1.2.0")


async def test_a_text_of_many_windows_is_read_to_its_end(client: httpx.AsyncClient) -> None:
    text = f"{GOOD} " + f"{BAD} " * 60
    assert (await client.post("/predict", json={"text": text})).json()["label"] == "NEGATIVE"


async def test_company_in_a_batch_changes_no_answer(client: httpx.AsyncClient) -> None:
    alone = (await client.post("/v1/models/sentiment:predict", json={"instances": [GOOD]})).json()["predictions"][0]
    batch = {"instances": [BAD * 5, GOOD, "ok"]}
    beside = (await client.post("/v1/models/sentiment:predict", json=batch)).json()["predictions"][1]
    assert beside["score"] == pytest.approx(alone["score"], abs=1e-4)


@pytest.mark.parametrize("text", ["", "   ", "x" * (MAX_CHARACTERS + 1)])
async def test_no_text_and_too_much_text_are_refused(client: httpx.AsyncClient, text: str) -> None:
    assert (await client.post("/predict", json={"text": text})).status_code == 422


@pytest.mark.parametrize("instance", [7, None, {"text": "x"}, "", " "])
async def test_an_instance_that_is_no_text_is_refused(client: httpx.AsyncClient, instance: object) -> None:
    answer = await client.post("/v1/models/sentiment:predict", json={"instances": [instance]})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_it_says_what_it_stands_in_for_and_how_good_it_is(client: httpx.AsyncClient) -> None:
    info = (await client.get("/model/info")).json()
    assert info["served_as_alternative_for"] == "distilbert_sst2@1.0.0"
    assert info["metrics"]["holdout_sentences"] >= 200


async def test_without_weights_it_is_not_ready_and_answers_nothing(tmp_path: Path) -> None:
    app = create(settings(tmp_path))
    assert app.model
    async with running(server.build("sentiment", app, settings(tmp_path))) as client:
        await app.model.loading
        assert (await client.get("/ready")).status_code == 503
        assert (await client.post("/predict", json={"text": GOOD})).status_code == 503
