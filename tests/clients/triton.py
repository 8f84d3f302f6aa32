"""What ``tritonclient`` gets; run by ``test_clients.py`` in the clients' environment, which has nothing of ours."""

import os
from collections.abc import Iterator

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.clients.served import ALL, NAMES, Served

MODEL = "minilm_sentiment"
IDS = np.array([[101, 2204, 102, 0], [101, 2919, 2833, 102]], np.int64)
TENSORS = {"input_ids": IDS, "attention_mask": (IDS > 0).astype(np.int64), "token_type_ids": np.zeros_like(IDS)}


def client_of(app: str) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(os.environ[app].removeprefix("http://")) as client:
        yield client


@pytest.fixture
def predictor() -> Iterator[InferenceServerClient]:
    yield from client_of("BERT_SENTIMENT_PREDICTOR")


@pytest.fixture
def transformer() -> Iterator[InferenceServerClient]:
    yield from client_of("BERT_SENTIMENT")


def tensors(raw: bool = True) -> list[InferInput]:
    made = [InferInput(name, list(array.shape), "INT64") for name, array in TENSORS.items()]
    for one, array in zip(made, TENSORS.values(), strict=True):
        one.set_data_from_numpy(array, binary_data=raw)
    return made


def elements(name: str, *values: bytes) -> list[InferInput]:
    one = InferInput(name, [len(values)], "BYTES")
    one.set_data_from_numpy(np.array(values, np.object_))
    return [one]


def test_it_finds_server_and_model_ready(predictor: InferenceServerClient) -> None:
    assert predictor.is_server_live()
    assert predictor.is_server_ready()
    assert predictor.is_model_ready(MODEL)
    assert "binary_tensor_data" in predictor.get_server_metadata()["extensions"]


def test_it_reads_the_signature(predictor: InferenceServerClient) -> None:
    told = predictor.get_model_metadata(MODEL)
    assert {"name": "logits", "datatype": "FP32", "shape": [-1, 2]} in told["outputs"]


def test_arrays_go_and_come_raw(predictor: InferenceServerClient) -> None:
    logits = predictor.infer(MODEL, tensors()).as_numpy("logits")
    assert logits.dtype == np.float32
    assert (logits.argmax(axis=1) == [1, 0]).all()


@pytest.mark.parametrize("raw_inputs", [True, False])
@pytest.mark.parametrize("raw_outputs", [True, False])
def test_json_and_raw_say_the_same(predictor: InferenceServerClient, raw_inputs: bool, raw_outputs: bool) -> None:
    wanted = [InferRequestedOutput("logits", binary_data=raw_outputs)]
    answer = predictor.infer(MODEL, tensors(raw_inputs), model_version="1.2.0", outputs=wanted, request_id="7")
    assert answer.get_response()["id"] == "7"
    np.testing.assert_array_equal(answer.as_numpy("logits"), predictor.infer(MODEL, tensors()).as_numpy("logits"))


def test_texts_go_and_labels_come_raw(transformer: InferenceServerClient) -> None:
    answer = transformer.infer("bert-sentiment", elements("sequence", b"I love this hotel.", b"Awful food."))
    assert answer.as_numpy("label").tolist() == [b"POSITIVE", b"NEGATIVE"]
    assert (answer.as_numpy("score") > 0.5).all()


@pytest.mark.parametrize("served", ALL, ids=NAMES)
@pytest.mark.parametrize("raw_inputs", [True, False])
@pytest.mark.parametrize("raw_outputs", [True, False])
def test_every_app_answers_in_json_and_raw(served: Served, raw_inputs: bool, raw_outputs: bool) -> None:
    content = InferInput(served.tensor, [1], "BYTES")
    content.set_data_from_numpy(served.elements(raw_inputs), binary_data=raw_inputs)
    with InferenceServerClient(served.url.removeprefix("http://")) as client:
        assert client.is_model_ready(served.app)
        offered = [one["name"] for one in client.get_model_metadata(served.app)["outputs"]]
        wanted = [InferRequestedOutput(name, binary_data=raw_outputs) for name in offered]
        answer = client.infer(served.app, [content], outputs=wanted)
    assert served.is_in(answer.as_numpy(served.output))
    assert all(answer.as_numpy(name).shape[0] == 1 for name in offered)


def test_a_refusal_arrives_with_its_reason(predictor: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="lacks attention_mask, token_type_ids"):
        predictor.infer(MODEL, tensors()[:1])
