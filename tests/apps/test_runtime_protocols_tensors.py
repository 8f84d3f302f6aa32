"""A graph served by the tensors of its own signature."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from fastapi import APIRouter
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from apps.runtime.app import App
from apps.runtime.cache import Cache
from apps.runtime.engine import Session, open_session
from apps.runtime.metrics import Metrics
from apps.runtime.model import ServedModel
from apps.runtime.tensors import TensorHandler
from models.artefact import Artefact, Signature, Tensor
from tests.apps.conftest import serving
from tests.apps.doubler import settings_for

pytestmark = pytest.mark.anyio

INFER, V1 = "/v2/models/doubler/infer", "/v1/models/doubler:predict"


def write(store: Path, inputs: dict[str, list[Any]], datatype: int, dtype: Any, batch: Any = "batch") -> Path:
    """A graph that adds its inputs up, and picks the first of ten numbers by the sum where that is INT64."""
    names = list(inputs)
    nodes = [helper.make_node("Sum" if datatype == TensorProto.FLOAT else "Add", names, ["sum"])]
    if datatype == TensorProto.INT64:
        table = helper.make_node("Constant", [], ["table"], value_ints=list(range(10)))
        nodes += [table, helper.make_node("Gather", ["table", "sum"], ["y"], axis=0)]
    else:
        nodes += [helper.make_node("Identity", ["sum"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "adder",
        [helper.make_tensor_value_info(name, datatype, [batch, *shape]) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("y", datatype, [batch, *inputs[names[0]]])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    folder = store / "doubler" / "1.0.0"
    Artefact.write(
        folder,
        {"model.onnx": model.SerializeToString()},
        format="onnx",
        license="Apache-2.0",
        provenance="Made by a test.",
        made_by="pytest",
        signature=Signature(
            tuple(Tensor(name, dtype, (batch, *shape)) for name, shape in inputs.items()),
            (Tensor("y", dtype, (batch, *inputs[names[0]])),),
        ),
        preprocess={},
        metrics={},
    )
    return folder


def app_of(store: Path, ran: list[tuple[int, ...]]) -> App:
    """An app with the graph; ``ran`` gets the shape of each run."""

    class Watched:
        batch: int | None

        def __init__(self, session: Session) -> None:
            self.batch, self._session = session.batch, session

        def run(self, inputs: Any) -> Any:
            ran.append(next(iter(inputs.values())).shape)
            return self._session.run(inputs)

    def load(artefact: Artefact, folder: Path, session: Session) -> TensorHandler:
        return TensorHandler(artefact, folder, Watched(session), max_axis=6)

    return App("Adds.", APIRouter(), model=ServedModel(settings_for(store, queue=8), load))


@pytest.fixture
def ran() -> list[tuple[int, ...]]:
    return []


@pytest.fixture
async def client(tmp_path: Path, ran: list[tuple[int, ...]]) -> AsyncIterator[httpx.AsyncClient]:
    """Two INT64 inputs of one free axis."""
    write(tmp_path, {"a": ["length"], "b": ["length"]}, TensorProto.INT64, "INT64")
    async with serving("adder", app_of(tmp_path, ran), settings_for(tmp_path, queue=8)) as client:
        ran.clear()  # of the warm-up
        yield client


def tensor(name: str, data: list[Any], **other: Any) -> dict[str, Any]:
    return {"name": name, "datatype": "INT64", "shape": list(np.shape(data)), "data": data} | other


async def infer(client: httpx.AsyncClient, *inputs: dict[str, Any]) -> httpx.Response:
    return await client.post(INFER, json={"inputs": list(inputs)})


async def test_it_describes_itself_by_the_signature(client: httpx.AsyncClient) -> None:
    told = (await client.get("/v2/models/doubler")).json()
    assert told["inputs"][1] == {"name": "b", "datatype": "INT64", "shape": [-1, -1]}


async def test_rows_of_a_request_are_one_run(client: httpx.AsyncClient, ran: list[tuple[int, ...]]) -> None:
    answer = await infer(client, tensor("b", [[1, 1], [2, 2]]), tensor("a", [[0, 1], [2, 3]]))
    assert answer.json()["outputs"] == [{"name": "y", "datatype": "INT64", "shape": [2, 2], "data": [1, 2, 4, 5]}]
    assert sum(shape[0] for shape in ran) == 2


async def test_rows_of_different_lengths_never_share_a_run(client: httpx.AsyncClient, ran: list[Any]) -> None:
    answer = await client.post(V1, json={"instances": [{"a": [1], "b": [2]}, {"a": [1, 2, 3], "b": [0, 0, 0]}]})
    assert answer.json() == {"predictions": [{"y": [3]}, {"y": [1, 2, 3]}]}
    assert {shape[1] for shape in ran} == {1, 3}


async def test_no_rows_get_no_answers(client: httpx.AsyncClient) -> None:
    answer = await infer(client, tensor("a", [], shape=[0, 2]), tensor("b", [], shape=[0, 2]))
    assert answer.json()["outputs"][0]["shape"] == [0, 0]


ROW = [[1, 2]]
REFUSED = {
    "an input is missing": ([tensor("a", ROW)], "lacks b"),
    "an input is unknown": ([tensor("c", ROW)], "'c'; it must be 'a' or 'b'"),
    "axes of one name differ": ([tensor("a", ROW), tensor("b", [[1]])], "the axis 'length'"),
    "batches differ": ([tensor("a", ROW), tensor("b", ROW * 2)], "the axis 'batch'"),
    "an axis lacks": ([tensor("a", [1, 2])], "it must be [n, n]"),
    "an axis is too long": ([tensor("a", [[0] * 7]), tensor("b", [[0] * 7])], "an axis may have 6"),
    "a value is beyond the table": ([tensor("a", [[9]]), tensor("b", [[9]])], "does not take these inputs"),
    "a number is none": ([tensor("a", [["1"]])], "str among its elements"),
    "there are too many rows": ([tensor("a", [[1]] * 9)], "at most 8"),
    "a shape has 2^31 rows": ([tensor("a", ROW, shape=[2**31 - 1, 2])], "more elements"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_does_not_fit_is_refused_with_the_reason(client: httpx.AsyncClient, what: str) -> None:
    inputs, reason = REFUSED[what]
    answer = await infer(client, *inputs)
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize("instance", [7, "x", {}, {"a": [1]}, {"a": [1], "b": [[1]]}, {"a": [1], "b": ["x"]}, {"a": 1}])
async def test_an_instance_that_is_no_row_is_refused(client: httpx.AsyncClient, instance: Any) -> None:
    answer = await client.post(V1, json={"instances": [instance]})
    assert answer.status_code == 422


async def test_a_graph_of_one_row_a_run_takes_many(tmp_path: Path, ran: list[tuple[int, ...]]) -> None:
    write(tmp_path, {"x": [2]}, TensorProto.FLOAT, "FP32", batch=1)
    async with serving("adder", app_of(tmp_path, ran), settings_for(tmp_path)) as client:
        answer = await infer(client, tensor("x", [[1.0, 2.0], [3.0, 4.5]], datatype="FP32"))
    assert answer.json()["outputs"][0]["data"] == [1.0, 2.0, 3.0, 4.5]
    assert {shape[0] for shape in ran} == {1}


def test_answers_are_kept_by_every_byte_of_a_row_and_by_its_type(tmp_path: Path) -> None:
    folder = write(tmp_path, {"x": [2]}, TensorProto.FLOAT, "FP32")
    kept = Cache("adder", tmp_path / "url", settings_for(tmp_path), Metrics().model())
    rows = [[1.0, np.nan], [1.0, np.inf], [1.0, 2.0], [[1.0], [2.0]]]
    arrays = [np.array(row, dtype) for row in rows for dtype in ("<f4", "<f8")]
    artefact = Artefact.load(folder)
    keys = {kept.key(artefact, "columns", {}, [{"x": array}]) for array in [*arrays, *arrays]}
    assert len(keys) == len(arrays)


def test_a_graph_without_batch_axis_is_not_served(tmp_path: Path) -> None:
    folder = write(tmp_path, {"x": [2]}, TensorProto.FLOAT, "FP32", batch="batch")
    artefact, session = Artefact.load(folder), open_session(folder / "model.onnx", "cpu", 1)
    bare = Tensor("x", "FP32", (4,))
    broken = Artefact(**vars(artefact) | {"signature": Signature((bare,), artefact.signature.outputs)})
    with pytest.raises(ValueError, match="x has no batch axis"):
        TensorHandler(broken, folder, session, 6)


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[dict[str, Any], bytes], httpx.Response]]:
    """Posts raw tensors to one app, whatever number of examples there are."""
    store = tmp_path_factory.mktemp("store")
    write(store, {"a": ["length"], "b": ["length"]}, TensorProto.INT64, "INT64")

    async def post(client: httpx.AsyncClient, said: dict[str, Any], raw: bytes) -> httpx.Response:
        head = json.dumps(said).encode()
        return await client.post(INFER, content=head + raw, headers={"inference-header-content-length": str(len(head))})

    with asyncio.Runner() as loop:
        app = serving("adder", app_of(store, []), settings_for(store, queue=8))
        client = loop.run(app.__aenter__())
        yield lambda said, raw: loop.run(post(client, said, raw))
        loop.run(app.__aexit__(None, None, None))


SIZE = st.integers(-1, 3) | st.integers()


@settings(deadline=None)
@given(
    shapes=st.tuples(*[st.just([1, 2]) | st.lists(SIZE, max_size=3)] * 2),
    sizes=st.tuples(*[st.just(16) | SIZE] * 2),
    raw=st.just(bytes(32)) | st.binary(max_size=40),
)
def test_no_raw_numbers_make_it_fail(
    ask: Callable[[dict[str, Any], bytes], httpx.Response], shapes: Any, sizes: Any, raw: bytes
) -> None:
    inputs = [
        {"name": name, "datatype": "INT64", "shape": shape, "parameters": {"binary_data_size": size}}
        for name, shape, size in zip(("a", "b"), shapes, sizes, strict=True)
    ]
    assert ask({"inputs": inputs}, raw).status_code in (200, 400, 422)
