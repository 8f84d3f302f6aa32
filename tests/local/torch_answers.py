"""What a graph answers in PyTorch, compiled, beside ONNX Runtime's answers: run in the environment that trains.

On a GPU where there is one; else on the CPU, where the same is compiled by another backend. Prints JSON.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from skimage import data

from apps.runtime.engine import Lost, Refused, Session, open_session
from apps.runtime.torch_graph import TorchGraph
from apps.runtime.torch_session import TorchSession
from models.artefact import Artefact
from models.circle_detector.detect import Parameters, detect, prepare

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SHAPES = ({"batch": 1, "sequence": 9}, {"batch": 4, "sequence": 9})
"""What a process warms up with."""
OTHERS = (
    {"batch": 1, "sequence": 40, "height": 96, "width": 128},
    {"batch": 3, "sequence": 17, "height": 128, "width": 160},
    {"batch": 7, "sequence": 2, "height": 192, "width": 96},
)
"""What requests may bring after that. On CPUs, convolutions of much larger and of much smaller pictures are others."""
SIDE = 128
"""Height and width of pictures of any size, to warm up with."""


def inputs(artefact: Artefact, sizes: dict[str, int], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Something of every input: noise, word pieces, no padding."""
    made: dict[str, NDArray[Any]] = {}
    for tensor in artefact.signature.inputs:
        shape = [size if isinstance(size, int) else sizes.get(size, SIDE) for size in tensor.shape]
        if tensor.dtype == "INT64":
            made[tensor.name] = rng.integers(0, 2 if "type" in tensor.name else 1000, shape)
            if "mask" in tensor.name:
                made[tensor.name][:] = 1
        elif tensor.dtype == "UINT8":
            made[tensor.name] = rng.integers(0, 256, shape, np.uint8)
        else:
            made[tensor.name] = rng.standard_normal(shape, np.float32)
    return made


def difference(got: list[NDArray[Any]], wanted: list[NDArray[Any]]) -> float:
    """How far answers are from those wanted: the worst output's, as a share of its norm."""
    assert [(one.dtype, one.shape) for one in got] == [(one.dtype, one.shape) for one in wanted]
    return max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(got, wanted, strict=True))


def refusals(session: Session, good: dict[str, NDArray[Any]]) -> Iterator[tuple[str, str]]:
    """What is said of inputs that do not fit."""
    name, array = next(iter(good.items()))
    wrong = {"missing": {}, "type": good | {name: array.astype(np.float64)}, "axes": good | {name: array[0]}}
    if array.dtype == np.int64:
        wrong["row"] = good | {name: array + 10**6}
        wrong["lengths"] = good | {name: array[:, :-1]}
        # Beyond the table of positions.
        wrong["long"] = {each: np.repeat(one, 40, axis=1) for each, one in good.items()}
    for what, given in wrong.items():
        try:
            session.run(given)
            yield what, ""
        except Refused as refused:
            yield what, str(refused)


def answers(folder: Path) -> dict[str, Any]:
    """What came out for one model."""
    artefact, rng = Artefact.load(folder), np.random.default_rng(0)
    graph = artefact.graph(folder)
    reference, session = open_session(graph, "cpu", 2), TorchSession(graph, DEVICE, 2)
    for sizes in SHAPES if session.batch is None else SHAPES[:1]:
        session.run(inputs(artefact, sizes, rng))
    fixed = {} if session.batch is None else {"batch": 1}
    given = [inputs(artefact, sizes | fixed, rng) for sizes in OTHERS]
    # Until it is settled a shape without code would be compiled; that is an error here, and afterwards it runs without.
    torch.compiler.set_stance("fail_on_recompile")
    worst = max(difference(session.run(one), reference.run(one)) for one in given)
    torch.compiler.set_stance("default")
    session.settle()
    told: dict[str, Any] = {"difference": worst, "refusals": dict(refusals(session, given[1]))}
    if any(tensor.dtype == "INT64" for tensor in artefact.signature.inputs):
        told["stray"] = stray(graph, given[0])
    if artefact.name == "circle_detector":
        told["circles"] = [circles(one, artefact) for one in (session, reference)]
        told["lost"] = lost(session, given[0])
    return told


def stray(graph: Path, given: dict[str, NDArray[Any]]) -> str:
    """What PyTorch says of a tensor that is not where the others are.

    Where there is no GPU, "meta" stands in for one: it is not the CPU, either, and mixes with it as little.
    """
    apart = torch.device("meta")
    try:
        # That device has no 16 bits to choose.
        with mock.patch("torch.autocast", return_value=nullcontext()):
            module = TorchGraph(onnx.load(graph).graph, apart)
            module(*[torch.from_numpy(given[name]).to(apart) for name in module.takes])
    except RuntimeError as error:
        return str(error)
    return ""


def lost(session: TorchSession, given: dict[str, NDArray[Any]]) -> str:
    """What is said of a GPU that failed. None can be made to without being lost to this process, so PyTorch says so."""
    failure = torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might …")
    try:
        with mock.patch.object(session, "_compiled", side_effect=failure):
            session.run(given)
    except Lost as error:
        return str(error)
    return ""


def circles(session: Session, artefact: Artefact) -> list[list[float]]:
    """The coins of scikit-image's picture, from top to bottom: their centres and radii, in pixels."""
    parameters = Parameters.of(artefact.preprocess)
    picture = prepare(np.stack([data.coins()] * 3, axis=-1), parameters)
    (found,) = detect(lambda tensor: session.run({"image": tensor}), [picture], parameters)
    return sorted([*circle.centroid, circle.radius] for circle in found)


if __name__ == "__main__":
    print(json.dumps({"device": DEVICE, **{Path(one).parent.name: answers(Path(one)) for one in sys.argv[1:]}}))
