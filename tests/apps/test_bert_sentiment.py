"""bert-sentiment: transformer and predictor together, and the transformer when the predictor is not as it should be."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from apps.runtime import deadline, server
from apps.runtime.settings import SettingsError
from apps.sentiment import app as in_one
from models.sentiment import export
from tests.apps.conftest import running, serving

# Their folders are named like the apps, which no import statement can name.
front, behind = import_module("apps.bert-sentiment.app"), import_module("apps.bert-sentiment-predictor.app")

pytestmark = pytest.mark.anyio

V1 = "/v1/models/bert-sentiment:predict"
GOOD, BAD = "I love this wonderful little hotel.", "The food was awful and the staff were rude."
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the alternative only."""
    store = tmp_path_factory.mktemp("store")
    export.make(store / "minilm_sentiment" / "1.2.0")
    return store


def told(store: Path, **more: object) -> dict[str, Any]:
    return {
        "model_name": "distilbert_sst2",
        "model_version": "1.0.0",
        "model_alternative": "minilm_sentiment@1.2.0",
        "model_stores": (store,),
        "threads": 1,
        "log_level": "ERROR",
    } | more


@asynccontextmanager
async def transformer(
    store: Path, transport: httpx.AsyncBaseTransport, **more: object
) -> AsyncIterator[httpx.AsyncClient]:
    settings = front.Settings(**told(store, bert_sentiment_predictor_url="http://predictor", **more))
    async with serving("bert-sentiment", front.create(settings, transport), settings) as client:
        yield client


@asynccontextmanager
async def pair(store: Path, seen: list[httpx.Request] | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the transformer in front of a real predictor; the requests between them are kept in ``seen``."""
    settings = behind.Settings(**told(store, max_axis=128, max_batch=1))
    async with serving("bert-sentiment-predictor", behind.create(settings), settings) as predictor:

        async def pass_on(request: httpx.Request) -> httpx.Response:
            if seen is not None:
                seen.append(request)
            return await predictor.request(
                request.method, request.url.path, content=request.content, headers=request.headers
            )

        async with transformer(store, httpx.MockTransport(pass_on)) as client:
            yield client


@pytest.fixture
async def client(made: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with pair(made) as client:
        yield client


async def test_a_sequence_gets_its_sentiment(client: httpx.AsyncClient) -> None:
    found = (await client.post(V1, json={"sequence": "hello I am doing good"})).json()["predictions"]
    assert [one["label"] for one in found] == ["POSITIVE"]


async def test_instances_are_answered_in_their_order(client: httpx.AsyncClient) -> None:
    found = (await client.post(V1, json={"instances": [GOOD, BAD, GOOD]})).json()["predictions"]
    assert [one["label"] for one in found] == ["POSITIVE", "NEGATIVE", "POSITIVE"]


async def test_v2_takes_texts_and_answers_labels(client: httpx.AsyncClient) -> None:
    tensor = {"name": "sequence", "datatype": "BYTES", "shape": [2], "data": [BAD, GOOD]}
    answer = await client.post("/v2/models/bert-sentiment/infer", json={"inputs": [tensor]})
    assert answer.json()["outputs"][0]["data"] == ["NEGATIVE", "POSITIVE"]


async def test_taken_apart_it_answers_as_in_one_piece(client: httpx.AsyncClient, made: Path) -> None:
    settings, texts = in_one.Settings(**told(made)), [GOOD, BAD * 40]
    async with serving("sentiment", in_one.create(settings), settings) as whole:
        expected = (await whole.post("/v1/models/sentiment:predict", json={"instances": texts})).json()["predictions"]
    found = (await client.post(V1, json={"instances": texts})).json()["predictions"]
    assert [one["score"] for one in found] == pytest.approx([one["score"] for one in expected], abs=1e-4)


async def test_the_predictor_is_asked_in_the_same_trace_with_raw_tensors(made: Path) -> None:
    trace_id, seen = "4bf92f3577b34da6a3ce929d0e0e4736", list[httpx.Request]()
    async with pair(made, seen) as client:
        headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
        await client.post(V1, json={"sequence": GOOD}, headers=headers)
    (asked,) = seen
    assert asked.headers["traceparent"].split("-")[1] == trace_id
    assert asked.headers["content-type"] == "application/octet-stream"
    assert asked.url.path == "/v2/models/minilm_sentiment/versions/1.2.0/infer"


async def test_it_says_what_it_stands_in_for(client: httpx.AsyncClient) -> None:
    assert (await client.get("/model/info")).json()["served_as_alternative_for"] == "distilbert_sst2@1.0.0"


@pytest.mark.parametrize("body", [{"sequence": 7}, {"sequence": " "}, {"sequence": "x" * 20_001}, {"text": GOOD}, {}])
async def test_what_is_no_text_is_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await client.post(V1, json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def answer_with(store: Path, answer: Answer, **more: object) -> httpx.Response:
    """What a caller gets when the predictor answers so."""
    async with transformer(store, httpx.MockTransport(answer), **more) as client:
        assert (await client.get("/ready")).status_code == 200
        return await client.post(V1, json={"sequence": GOOD})


def refusing(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


async def test_the_predictor_hears_how_much_time_is_left(made: Path) -> None:
    seen = list[httpx.Request]()
    async with pair(made, seen) as client:
        await client.post(V1, json={"sequence": GOOD}, headers={deadline.HEADER: "5000"})
        await client.post(V1, json={"sequence": GOOD})
    own, limit = (int(request.headers[deadline.HEADER]) for request in seen)
    assert 0 < own <= 5000 + deadline.SLACK_MS < limit <= 30_000 + deadline.SLACK_MS


async def test_a_predictor_that_is_away_is_a_503_that_asks_to_come_back(made: Path) -> None:
    answer = await answer_with(made, refusing)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["type"].endswith("predictor-unavailable")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_predictor_that_sheds_load_says_when_to_come_back(made: Path, status: int) -> None:
    answer = await answer_with(made, lambda _: httpx.Response(status, headers={"retry-after": "7"}))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


async def test_a_predictor_of_another_version_is_not_asked_to_guess(made: Path) -> None:
    answer = await answer_with(made, lambda _: httpx.Response(404, json={"error": "no such version"}))
    assert answer.status_code == 503


def tensors(*logits: float, shape: tuple[int, ...] = (1, 2)) -> bytes:
    output = {"name": "logits", "datatype": "FP32", "shape": shape, "data": logits}
    return json.dumps({"outputs": [output]}).encode()


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[]", b"{}", tensors(), tensors(1, 2, 3, shape=(1, 3)), tensors(1, 2, 3, 4, shape=(2, 2))],
)
async def test_an_answer_that_is_none_becomes_no_sentiment(made: Path, content: bytes) -> None:
    answer = await answer_with(made, lambda _: httpx.Response(200, content=content))
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/problem+json"


async def test_logits_that_are_no_numbers_become_no_sentiment(made: Path) -> None:
    raw = np.array([np.nan, 1], "<f4").tobytes()
    output = {"name": "logits", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"outputs": [output]}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    answer = await answer_with(made, lambda _: httpx.Response(200, content=head + raw, headers=headers))
    assert answer.status_code == 502


async def test_a_connection_that_broke_is_tried_once_more(made: Path) -> None:
    tries: list[int] = []

    def breaking_once(request: httpx.Request) -> httpx.Response:
        tries.append(1)
        if len(tries) == 1:
            raise httpx.ReadError("reset", request=request)
        return httpx.Response(200, content=tensors(0, 3))

    assert (await answer_with(made, breaking_once)).json()["predictions"][0]["label"] == "POSITIVE"


async def test_a_request_that_is_given_up_gives_the_predictor_up_too(made: Path) -> None:
    reached, given_up = asyncio.Event(), asyncio.Event()

    async def silent(_: httpx.Request) -> httpx.Response:
        reached.set()
        try:
            return await asyncio.Future[httpx.Response]()
        except asyncio.CancelledError:
            given_up.set()
            raise

    async with transformer(made, httpx.MockTransport(silent)) as client:
        asking = asyncio.create_task(client.post(V1, json={"sequence": GOOD}))
        await reached.wait()
        asking.cancel()
        await given_up.wait()


async def test_a_predictor_without_end_is_a_504(made: Path) -> None:
    async def silent(_: httpx.Request) -> httpx.Response:
        return await asyncio.Future[httpx.Response]()

    async with transformer(made, httpx.MockTransport(silent), request_timeout_s=0.05) as client:
        answer = await client.post(V1, json={"sequence": GOOD})
        assert answer.status_code == 504


async def test_more_than_can_wait_is_shed_at_once(made: Path) -> None:
    release = asyncio.Event()

    async def released(_: httpx.Request) -> httpx.Response:
        await release.wait()
        return httpx.Response(200, content=tensors(0, 3))

    async with transformer(made, httpx.MockTransport(released), queue=1) as client:
        asked = [asyncio.create_task(client.post(V1, json={"sequence": GOOD})) for _ in range(2)]
        done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert [one.result().status_code for one in done] == [503]
        release.set()
        assert [(await one).status_code for one in waiting] == [200]


async def test_without_the_artefact_it_is_not_ready(tmp_path: Path) -> None:
    settings = front.Settings(**told(tmp_path, bert_sentiment_predictor_url="http://predictor"))
    app = front.create(settings, httpx.MockTransport(refusing))
    async with running(server.build("bert-sentiment", app, settings)) as client:
        await app.model.loading
        assert (await client.get("/ready")).status_code == 503


async def test_it_does_not_start_without_the_url_of_a_predictor(made: Path) -> None:
    with pytest.raises(SettingsError, match="BERT_SENTIMENT_PREDICTOR_URL"):
        front.create(front.Settings(**told(made)))
