"""Nothing that is loaded runs: no pickle in the code, and artefacts that try something are refused."""

import ast
import json
import pickle
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from apps.runtime.engine import EngineError, open_session
from models.artefact import MANIFEST, Artefact, ArtefactError, File
from tests.apps.doubler import write_doubler
from toolchain import places

CODE = ("apps", "infra", "models", "ops", "stacks", "toolchain")
RUN_WHAT_THEY_READ = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}

UNPICKLER = Path("models/efficientnet_lite0/checkpoint.py")
"""Reads a checkpoint of torch before 1.6 when the artefact is made, by an unpickler that knows four harmless names."""


@cache
def trees() -> list[tuple[Path, ast.Module]]:
    files = [file for folder in CODE for file in (places.CHECKOUT / folder).rglob("*.py")]
    return [(file.relative_to(places.CHECKOUT), ast.parse(file.read_text())) for file in files]


def imported(tree: ast.Module) -> set[str]:
    names = [one.names for one in ast.walk(tree) if isinstance(one, ast.Import)]
    found = {alias.name for aliases in names for alias in aliases}
    found |= {one.module or "" for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)}
    return {name.partition(".")[0] for name in found}


def loads_code(call: ast.Call) -> bool:
    """``torch.load`` that is not held to weights, ``np.load`` that may unpickle, ``yaml.load`` that may construct."""
    told = {one.arg: getattr(one.value, "value", None) for one in call.keywords}
    match ast.unparse(call.func):
        case "torch.load":
            return told.get("weights_only") is not True
        case "np.load" | "numpy.load":
            return told.get("allow_pickle", False) is not False
        case "yaml.load":
            return [ast.unparse(one) for one in call.args[1:]] != ["yaml.CSafeLoader"]
        case "yaml.unsafe_load" | "yaml.full_load":
            return True
        case _:
            return False


def test_nothing_imports_what_runs_what_it_reads() -> None:
    found = {str(file) for file, tree in trees() if imported(tree) & RUN_WHAT_THEY_READ}
    assert found == {str(UNPICKLER)}


def test_nothing_loads_weights_arrays_or_yaml_that_may_run() -> None:
    calls = [(file, one) for file, tree in trees() for one in ast.walk(tree) if isinstance(one, ast.Call)]
    assert len(calls) > 1000
    assert [f"{file}:{one.lineno}" for file, one in calls if loads_code(one)] == []


@pytest.mark.parametrize(
    "text",
    [
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "np.load(f, allow_pickle=True)",
        "yaml.load(f)",
        "yaml.load(f, yaml.CLoader)",
    ],
)
def test_the_search_finds_what_it_is_for(text: str) -> None:
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    assert loads_code(call)
    assert imported(ast.parse("import os, pickle\nfrom joblib.numpy_pickle import load")) >= {"pickle", "joblib"}


class _Touch:
    """Pickled, it makes a file where it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.file,)


def external(where: str) -> bytes:
    """A graph whose weights are in a file of their own."""
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", where), ("offset", "0"), ("length", "16")):
        weights.external_data.add(key=key, value=value)
    return graph(helper.make_node("Add", ["x", "w"], ["y"]), weights)


def graph(node: onnx.NodeProto, *weights: TensorProto, domain: str = "") -> bytes:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in ("x", "y")]
    made = helper.make_graph([node], "graph", ends[:1], ends[1:], list(weights))
    sets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(made, opset_imports=sets, ir_version=10).SerializeToString()


def test_a_pickle_called_a_graph_is_refused_and_does_nothing(tmp_path: Path) -> None:
    folder = write_doubler(tmp_path, graph=pickle.dumps(_Touch(tmp_path / "touched")))
    Artefact.load(folder)
    with pytest.raises(EngineError, match=r"model\.onnx: ONNX Runtime cannot load it"):
        open_session(folder / "model.onnx", "cpu", 1)
    assert not (tmp_path / "touched").exists()


def test_weights_beside_their_graph_are_read(tmp_path: Path) -> None:
    folder = write_doubler(tmp_path, graph=external("weights.txt"))
    np.ones(4, np.float32).tofile(folder / "weights.txt")
    [sums] = open_session(folder / "model.onnx", "cpu", 1).run({"x": np.ones((1, 4), np.float32)})
    assert sums.tolist() == [[2, 2, 2, 2]]


@pytest.mark.parametrize("where", ["../weights.txt", "{root}/weights.txt", "a/../../weights.txt", "link.txt"])
def test_weights_outside_of_the_artefact_are_refused(where: str, tmp_path: Path) -> None:
    secret = tmp_path / "doubler" / "weights.txt"
    folder = write_doubler(tmp_path, graph=external(where.format(root=secret.parent)))
    np.ones(4, np.float32).tofile(secret)
    (folder / "link.txt").symlink_to(secret)
    with pytest.raises(EngineError, match="cannot load it"):
        open_session(folder / "model.onnx", "cpu", 1)


def test_weights_in_memory_that_a_graph_only_points_at_are_refused(tmp_path: Path) -> None:
    folder = write_doubler(tmp_path, graph=external("*/_ORT_MEM_ADDR_/*"))
    with pytest.raises(EngineError, match="cannot load it"):
        open_session(folder / "model.onnx", "cpu", 1)


def test_an_operator_of_somebody_elses_library_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Run", ["x"], ["y"], domain="somebody.else")
    folder = write_doubler(tmp_path, graph=graph(node, domain="somebody.else"))
    with pytest.raises(EngineError, match="not a registered function/op"):
        open_session(folder / "model.onnx", "cpu", 1)


@pytest.mark.parametrize("name", ["../out.onnx", "/etc/out.txt", "a/b.onnx", "..", "model.pt", "lib.so", "a\x00.onnx"])
def test_names_that_lead_out_or_run_are_refused(name: str, tmp_path: Path) -> None:
    folder = write_doubler(tmp_path)
    listed = asdict(Artefact.load(folder))
    listed["files"][name] = asdict(File("0" * 64, 1))
    (folder / MANIFEST).write_text(json.dumps(listed))
    with pytest.raises(ArtefactError, match="a plain name that ends in"):
        Artefact.load(folder)


@pytest.mark.parametrize("name", ["model.onnx", MANIFEST])
def test_a_link_in_place_of_a_file_is_refused(name: str, tmp_path: Path) -> None:
    folder = write_doubler(tmp_path)
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(ArtefactError, match="a link"):
        Artefact.load(folder)
