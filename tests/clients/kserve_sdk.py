"""What KServe's SDK gets; run by ``test_clients.py`` in the clients' environment, which has nothing of ours."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

from tests.clients.served import ALL, NAMES, Served

PREDICTOR, TRANSFORMER = os.environ["BERT_SENTIMENT_PREDICTOR"], os.environ["BERT_SENTIMENT"]
MODEL = "minilm_sentiment"
IDS = np.array([[101, 2204, 102]], np.int64)


def asked(protocol: str, question: Callable[[InferenceRESTClient], Awaitable[Any]]) -> Any:
    async def ask() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol=protocol))
        try:
            return await question(client)
        finally:
            await client.close()

    return asyncio.run(ask())


def request(raw: bool) -> InferRequest:
    inputs = []
    for name, array in {"input_ids": IDS, "attention_mask": np.ones_like(IDS), "token_type_ids": IDS * 0}.items():
        inputs.append(InferInput(name, list(array.shape), "INT64"))
        inputs[-1].set_data_from_numpy(array, binary_data=raw)
    return InferRequest(model_name=MODEL, infer_inputs=inputs)


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_it_finds_the_model_ready(protocol: str) -> None:
    assert asked(protocol, lambda client: client.is_model_ready(TRANSFORMER, "bert-sentiment"))


def test_it_finds_the_server_live_and_ready() -> None:
    assert asked("v2", lambda client: client.is_server_live(PREDICTOR))
    assert asked("v2", lambda client: client.is_server_ready(PREDICTOR))


@pytest.mark.parametrize("body", [{"sequence": "hello I am doing good"}, {"instances": ["I love this hotel."]}])
def test_v1_predicts(body: dict[str, Any]) -> None:
    told = asked("v1", lambda client: client.infer(TRANSFORMER, body, model_name="bert-sentiment"))
    assert told["predictions"][0]["label"] == "POSITIVE"


@pytest.mark.parametrize("raw", [True, False])
def test_v2_predicts(raw: bool) -> None:
    told = asked("v2", lambda client: client.infer(PREDICTOR, request(raw), model_name=MODEL))
    logits = told.outputs[0].as_numpy()
    assert logits.shape == (1, 2)
    assert logits.argmax() == 1


@pytest.mark.parametrize("served", ALL, ids=NAMES)
def test_every_app_answers_v1(served: Served) -> None:
    assert asked("v1", lambda client: client.is_model_ready(served.url, served.app))
    body = {"instances": [served.instance()]}
    told = asked("v1", lambda client: client.infer(served.url, body, model_name=served.app))
    assert served.found in json.dumps(told["predictions"][0])


@pytest.mark.parametrize("served", ALL, ids=NAMES)
@pytest.mark.parametrize("raw", [True, False])
def test_every_app_answers_v2_in_json_and_raw(served: Served, raw: bool) -> None:
    content = InferInput(served.tensor, [1], "BYTES")
    content.set_data_from_numpy(served.elements(raw), binary_data=raw)
    outputs = [RequestedOutput(served.output, parameters={"binary_data": raw})]
    body = InferRequest(model_name=served.app, infer_inputs=[content], request_outputs=outputs)
    told = asked("v2", lambda client: client.infer(served.url, body, model_name=served.app))
    [output] = told.outputs
    assert output.name == served.output
    assert served.is_in(output.as_numpy())


def test_a_refusal_arrives_as_one() -> None:
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        asked("v1", lambda client: client.infer(TRANSFORMER, {"instances": [7]}, model_name="bert-sentiment"))
