"""Raw tensors over V2: what is taken, what is refused, and that no bytes at all make it fail."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from apps.runtime.problems import Problem
from apps.runtime.protocols.tensors import NUMPY, Binary, in_binary, in_json, read
from models.artefact import Tensor
from tests.apps.conftest import serving
from tests.apps.doubler import app_for, settings_for, write_doubler

LENGTH = "Inference-Header-Content-Length"
V2 = "/v2/models/doubler/infer"
NUMBERS = [kind for kind in NUMPY if kind != "BYTES"]


@pytest.fixture
async def client(store: Path) -> AsyncIterator[httpx.AsyncClient]:
    told = settings_for(store, queue=4)
    async with serving("numbers", app_for(told), told) as client:
        yield client


def lengthy(*elements: bytes) -> bytes:
    """BYTES on the wire."""
    return b"".join(len(element).to_bytes(4, "little") + element for element in elements)


def asked(raw: bytes, shape: list[Any], size: object = None, **more: Any) -> dict[str, Any]:
    parameters = {"binary_data_size": len(raw) if size is None else size}
    tensor = {"name": "number", "datatype": "BYTES", "shape": shape, "parameters": parameters}
    return {"inputs": [tensor | more]}


async def post(client: httpx.AsyncClient, said: dict[str, Any], raw: bytes = b"", **headers: str) -> httpx.Response:
    head = json.dumps(said).encode()
    sent = {LENGTH: str(len(head)), "content-type": "application/octet-stream"} | headers
    return await client.post(V2, content=head + raw, headers=sent)


async def refusal(client: httpx.AsyncClient, said: dict[str, Any], raw: bytes = b"", **headers: str) -> tuple[int, str]:
    answer = await post(client, said, raw, **headers)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["detail"]


@pytest.mark.anyio
async def test_raw_elements_are_predicted_like_those_in_json(client: httpx.AsyncClient) -> None:
    raw = lengthy(b"1", b"-2.5")
    answer = await post(client, asked(raw, [2]), raw)
    assert answer.json()["outputs"][0] == {"name": "doubled", "datatype": "FP32", "shape": [2], "data": [2.0, -5.0]}


@pytest.mark.anyio
async def test_each_output_is_raw_or_json_as_asked(client: httpx.AsyncClient) -> None:
    raw, wanted = lengthy(b"1"), [{"name": "doubled", "parameters": {"binary_data": True}}, {"name": "sign"}]
    answer = await post(client, asked(raw, [1]) | {"outputs": wanted}, raw)
    end = int(answer.headers[LENGTH])
    doubled, sign = json.loads(answer.content[:end])["outputs"]
    assert doubled == {"name": "doubled", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}
    assert sign["data"] == ["positive"]
    assert answer.headers["content-type"] == "application/octet-stream"
    assert np.frombuffer(answer.content[end:], "<f4") == [2.0]


@pytest.mark.anyio
async def test_all_outputs_are_raw_for_who_asks_in_json(client: httpx.AsyncClient) -> None:
    tensor = {"name": "number", "datatype": "BYTES", "shape": [2], "data": ["1", "-1"]}
    said = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    answer = await client.post(V2, json=said)
    end = int(answer.headers[LENGTH])
    assert answer.content[end:] == np.array([2, -2], "<f4").tobytes() + lengthy(b"positive", b"negative")


@pytest.mark.anyio
@pytest.mark.parametrize("length", ["0", "-1", "9999", "ten", "1_0", "+5", "", "9" * 5000])
async def test_a_length_that_is_none_is_a_400(client: httpx.AsyncClient, length: str) -> None:
    status, said = await refusal(client, asked(b"", [0]), b"", **{LENGTH: length})
    assert status == 400
    assert LENGTH in said


@pytest.mark.anyio
async def test_a_length_amid_the_json_is_a_400(client: httpx.AsyncClient) -> None:
    status, said = await refusal(client, asked(b"", [0]), b"", **{LENGTH: "7"})
    assert (status, "no JSON" in said) == (400, True)


@pytest.mark.anyio
async def test_raw_tensors_in_a_form_are_a_415(client: httpx.AsyncClient) -> None:
    status, said = await refusal(client, asked(b"", [0]), b"", **{"content-type": "text/plain"})
    assert (status, "application/octet-stream" in said) == (415, True)


ONE = lengthy(b"1")
MALFORMED = {
    "a body that ends early": (asked(ONE, [1]), ONE[:-1], 400, "only 4 bytes are left"),
    "bytes that nobody announced": (asked(ONE, [1]), ONE + b"xy", 400, "2 bytes follow the last tensor"),
    "fewer elements than the shape has": (asked(ONE, [2]), ONE, 400, "end after 1"),
    "more elements than the shape has": (asked(ONE * 2, [1]), ONE * 2, 400, "5 bytes follow its last element"),
    "an element beyond the end": (asked(b"\xff\xff\xff\xff1", [1]), b"\xff\xff\xff\xff1", 400, "4294967295 bytes"),
    "half a length": (asked(b"\1\0", [1]), b"\1\0", 400, "end after 0"),
    "a negative size": (asked(ONE, [1], size=-5), ONE, 422, "binary_data_size is -5"),
    "a size that is true": (asked(ONE, [1], size=True), ONE, 422, "binary_data_size is True"),
    "a size beyond all bodies": (asked(ONE, [1], size=2**63), ONE, 400, "only 5 bytes"),
    "another datatype": (asked(ONE, [1], datatype="FP32"), ONE, 422, "it must be 'BYTES'"),
    "data beside raw data": (asked(ONE, [1], data=["1"]), ONE, 422, "give one of them"),
    "more instances than can wait": (asked(ONE, [2**31 - 1]), ONE, 422, "at most 4"),
    "a shape of 2^31": (asked(ONE, [2**31]), ONE, 422, "more elements than any body"),
    "a shape without end": (asked(ONE, [0, 2**62, 2**62]), ONE, 422, "[n, 1]"),
    "a negative shape": (asked(ONE, [-1]), ONE, 422, "no array of sizes"),
    "a tensor twice": ({"inputs": asked(ONE, [1])["inputs"] * 2}, ONE * 2, 422, "there already"),
    "an output that is not there": (asked(ONE, [1]) | {"outputs": [{"name": "z"}]}, ONE, 422, "there is doubled"),
    "an output twice": (asked(ONE, [1]) | {"outputs": [{"name": "sign"}] * 2}, ONE, 422, "twice"),
    "an output whose name is a list": (asked(ONE, [1]) | {"outputs": [{"name": []}]}, ONE, 422, "there is doubled"),
    "maybe raw": (asked(ONE, [1]) | {"parameters": {"binary_data_output": "yes"}}, ONE, 422, "true or false"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("what", MALFORMED)
async def test_what_is_malformed_is_refused_with_the_reason(client: httpx.AsyncClient, what: str) -> None:
    said, raw, status, reason = MALFORMED[what]
    got, detail = await refusal(client, said, raw)
    assert got == status
    assert reason in detail


@pytest.mark.anyio
async def test_raw_data_without_the_header_is_refused_by_its_name(client: httpx.AsyncClient) -> None:
    answer = await client.post(V2, json=asked(ONE, [1]))
    assert answer.status_code == 422
    assert LENGTH in answer.json()["detail"]


@pytest.mark.anyio
async def test_what_json_cannot_say_is_refused_in_json_and_given_raw(client: httpx.AsyncClient) -> None:
    raw = lengthy(b"3e38")
    in_words = await post(client, asked(raw, [1]), raw)
    assert in_words.status_code == 422
    assert "NaN or infinity" in in_words.json()["detail"]
    bare = await post(client, asked(raw, [1]) | {"parameters": {"binary_data_output": True}}, raw)
    assert np.isinf(np.frombuffer(bare.content[int(bare.headers[LENGTH]) :][:4], "<f4"))


@st.composite
def tensors(draw: st.DrawFn) -> tuple[Tensor, np.ndarray]:
    kind = draw(st.sampled_from(NUMBERS))
    array = draw(arrays.arrays(NUMPY[kind], arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)))
    return Tensor("x", kind, tuple(f"axis{axis}" for axis in range(array.ndim))), array


@given(tensors())
def test_numbers_come_back_bit_by_bit(made: tuple[Tensor, np.ndarray]) -> None:
    tensor, array = made
    described, raw = in_binary(tensor, array)
    back = read([described], [tensor], Binary(memoryview(raw)))["x"]
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


@given(tensors())
def test_an_array_goes_in_the_order_of_rows_however_it_lies(made: tuple[Tensor, np.ndarray]) -> None:
    tensor, array = made
    assert in_binary(tensor, np.asfortranarray(array))[1] == in_binary(tensor, array)[1]
    swapped = array.astype(array.dtype.newbyteorder(">"))
    assert in_binary(tensor, swapped)[1] == in_binary(tensor, array)[1]


@given(tensors())
def test_finite_numbers_come_back_from_json(made: tuple[Tensor, np.ndarray]) -> None:
    tensor, array = made
    if array.dtype.kind == "f":
        array = np.nan_to_num(array)
    said = json.loads(json.dumps(in_json(tensor, array)))
    np.testing.assert_array_equal(read([said], [tensor], None)["x"], array)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_bytes_come_back(elements: list[bytes]) -> None:
    tensor, array = Tensor("x", "BYTES", ("n",)), np.array([*elements, b""], object)[:-1]
    described, raw = in_binary(tensor, array)
    assert read([described], [tensor], Binary(memoryview(raw)))["x"].tolist() == elements


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("INT64", [1.5]),
        ("INT64", ["1"]),
        ("INT64", [True]),
        ("INT8", [128]),
        ("UINT8", [-1]),
        ("BOOL", [1]),
        ("FP32", [1e39]),
        ("FP16", [70000]),
        ("FP64", [10**400]),
        ("FP32", [None]),
        ("FP32", [[1], 2]),
    ],
)
def test_json_that_the_datatype_cannot_hold_is_refused(kind: Any, data: list[Any]) -> None:
    said = {"name": "x", "datatype": kind, "shape": [len(data)], "data": data}
    with pytest.raises(Problem) as refused:
        read([said], [Tensor("x", kind, ("n",))], None)
    assert refused.value.status_code == 422


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def likely(*values: Any) -> st.SearchStrategy[Any]:
    """One of these, or anything."""
    return st.sampled_from(values) | ANYTHING


TENSOR = st.fixed_dictionaries(
    {"name": likely("number"), "datatype": likely("BYTES", "FP32"), "shape": likely([1], [2], [1, 1])},
    optional={
        "data": likely(["1"], ["x"]),
        "parameters": likely({}) | st.fixed_dictionaries({"binary_data_size": likely(5, 0, 10)}),
    },
)
REQUEST = st.fixed_dictionaries(
    {"inputs": st.lists(TENSOR, max_size=2) | ANYTHING},
    optional={
        "outputs": likely([{"name": "sign"}], [{"name": "doubled", "parameters": {"binary_data": True}}]),
        "parameters": likely({"binary_data_output": True}),
        "id": ANYTHING,
    },
)


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[dict[str, Any], bytes], httpx.Response]]:
    """Posts to one app, whatever number of examples there are."""
    store = tmp_path_factory.mktemp("store")
    write_doubler(store)
    told = settings_for(store, queue=4)
    with asyncio.Runner() as loop:
        app = serving("numbers", app_for(told), told)
        client = loop.run(app.__aenter__())
        yield lambda said, raw: loop.run(post(client, said, raw))
        loop.run(app.__aexit__(None, None, None))


@settings(deadline=None)
@given(said=REQUEST, raw=st.sampled_from([b"", ONE]) | st.binary(max_size=30))
def test_no_bytes_make_it_fail(
    ask: Callable[[dict[str, Any], bytes], httpx.Response], said: dict[str, Any], raw: bytes
) -> None:
    answer = ask(said, raw)
    assert answer.status_code in (200, 400, 422), answer.text
