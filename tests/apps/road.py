"""An artefact of a road's model, small enough to make on the spot: what is bright is taken for wet."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.artefact import Artefact, Signature, Tensor
from models.imagenet.preprocess import Preprocess

SIZE = 8


def graph(wet: float) -> bytes:
    """Logits of dry and wet: 0, and the mean of all pixels times ``wet``."""
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("Mul", ["column", "weights"], ["logits"]),
    ]
    constants = {
        "axes": np.array([1, 2, 3]),
        "last": np.array([1]),
        "weights": np.array([[0, wet]], np.float32),
    }
    made = helper.make_graph(
        nodes,
        "road",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def write_road(store: Path, version: str, name: str = "road", wet: float = 4) -> Path:
    """Put such a model into a store; its folder."""
    folder = store / name / version
    preprocess = Preprocess(SIZE, 1.0, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    Artefact.write(
        folder,
        {"model.onnx": graph(wet), "labels.txt": b"dry\nwet\n"},
        format="onnx",
        license="Apache-2.0",
        provenance="Made by a test.",
        made_by="pytest",
        signature=Signature(
            (Tensor("pixels", "FP32", ("batch", 3, SIZE, SIZE)),), (Tensor("logits", "FP32", ("batch", 2)),)
        ),
        preprocess=preprocess.parameters(),
        labels="labels.txt",
        metrics={},
    )
    return folder
