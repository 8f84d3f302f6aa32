"""Runs of one graph beside each other: which threads they take, and that each gets its own answer."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from apps.runtime import engine
from models.artefact import Signature, Tensor
from models.graph import Graph

WAIT_S = 30


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """Doubles a row of numbers."""
    made, row = Graph("doubles"), ("batch", 4)
    made.op("Mul", ["x", made.constant("two", np.float32(2))])
    signature = Signature((Tensor("x", "FP32", row),), (Tensor("y", "FP32", row),))
    (tmp_path / "model.onnx").write_bytes(made.finish(signature))
    return tmp_path / "model.onnx"


def row(number: int) -> dict[str, np.ndarray]:
    return {"x": np.full((1, 4), number, np.float32)}


@pytest.mark.parametrize(("threads", "largest", "lanes"), [(2, 10_000, 2), (3, 10_000, 3), (2, 10, 1), (1, 10_000, 1)])
def test_small_graphs_run_in_as_many_lanes_as_there_are_threads(
    graph: Path, monkeypatch: pytest.MonkeyPatch, threads: int, largest: int, lanes: int
) -> None:
    monkeypatch.setattr(engine, "HELD_TWICE", largest)
    assert engine.open_session(graph, "cpu", threads).lanes == lanes


def test_a_run_takes_every_thread_unless_another_is_under_way(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, go_on = threading.Event(), threading.Event()
    ran: list[int] = []

    class Held(onnxruntime.InferenceSession):
        def run(self, *arguments: Any) -> Any:
            ran.append(self.get_session_options().intra_op_num_threads)
            if len(ran) == 1:
                inside.set()
                assert go_on.wait(WAIT_S)
            return super().run(*arguments)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Held)
    session = engine.open_session(graph, "cpu", 2)
    with ThreadPoolExecutor(1) as another:
        first = another.submit(session.run, row(1))
        assert inside.wait(WAIT_S)
        [beside] = session.run(row(2))
        go_on.set()
        [alone] = first.result(WAIT_S)
    session.run(row(3))
    assert ran == [2, 1, 2]
    assert (alone[0, 0], beside[0, 0]) == (2, 4)


def test_a_run_that_is_refused_leaves_every_thread_to_the_next(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []

    class Counted(onnxruntime.InferenceSession):
        def run(self, *arguments: Any) -> Any:
            ran.append(self.get_session_options().intra_op_num_threads)
            return super().run(*arguments)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Counted)
    session = engine.open_session(graph, "cpu", 2)
    with pytest.raises(engine.Refused):
        session.run({"x": np.zeros((1, 5), np.float32)})
    session.run(row(1))
    assert ran == [2, 2]
