"""What KServe's SDK gets; run by ``test_clients.py`` in the clients' environment, which has nothing of ours."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

PREDICTOR, TRANSFORMER = os.environ["PREDICTOR"], os.environ["TRANSFORMER"]
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


def test_a_refusal_arrives_as_one() -> None:
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        asked("v1", lambda client: client.infer(TRANSFORMER, {"instances": [7]}, model_name="bert-sentiment"))
