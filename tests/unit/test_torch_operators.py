"""The operators that GPUs are served with, read off their source: PyTorch is not among what these tests have."""

import ast
from pathlib import Path

import onnx
import pytest

from models.bert.encoder import Size
from models.bert_ner import export as bert_ner
from models.distilbert_sst2 import export as distilbert_sst2
from models.store import default_stores
from models.weights import he_normal

SOURCE = Path(__file__).parents[2] / "apps" / "runtime" / "torch_operators.py"
TINY = Size(layers=1, heads=2, width=8, inner=16, vocabulary=12, positions=16)


def known() -> set[str]:
    """Names in the table of operators."""
    (table,) = [
        node.value
        for node in ast.parse(SOURCE.read_text()).body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "OPERATORS"
    ]
    assert isinstance(table, ast.Dict)
    return {ast.literal_eval(key) for key in table.keys if key}


def missing(graph: onnx.ModelProto) -> set[str]:
    # Constants are taken over without running anything.
    return {node.op_type for node in graph.graph.node} - known() - {"Constant"}


@pytest.mark.parametrize("file", [file for store in default_stores() for file in store.glob("*/*/model.onnx")], ids=str)
def test_every_model_that_is_here_can_be_served_on_a_gpu(file: Path) -> None:
    assert missing(onnx.load(file)) == set()


@pytest.mark.parametrize("module", [bert_ner, distilbert_sst2])
def test_every_model_from_a_hub_can_be_served_on_a_gpu(module: object) -> None:
    graph, _ = module.network(he_normal(0), TINY)  # type: ignore[attr-defined]
    assert missing(onnx.load_from_string(graph)) == set()
