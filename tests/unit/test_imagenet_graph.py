"""Graphs built from named weights: right numbers, and refusal of weights that are of another network."""

import numpy as np
import onnx
import onnxruntime
import pytest

from models.imagenet.graph import CLASSES, LABELS, Graph
from models.weights import Source, WeightsError, he_normal, state


def tiny(weights: Source) -> bytes:
    net = Graph("tiny", weights, size=4)
    x = net.relu6(net.conv(net.pixels, "conv", "norm", (2, 3, 3, 3), epsilon=0.25, pads=(0, 1), stride=2))
    return net.classify(net.add(x, x), "fc", 2)


def tensors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    shapes = {"conv.weight": (2, 3, 3, 3), "fc.weight": (CLASSES, 2), "fc.bias": (CLASSES,)}
    norm = {f"norm.{part}": (2,) for part in ("weight", "bias", "running_mean")}
    drawn = {name: random.normal(size=shape).astype(np.float32) for name, shape in (shapes | norm).items()}
    return drawn | {"norm.running_var": np.array([0.5, 2], np.float32)}


def by_hand(w: dict[str, np.ndarray], pixels: np.ndarray) -> np.ndarray:
    """The same network in NumPy, one operation after the other and nothing folded."""
    padded = np.pad(pixels, ((0, 0), (0, 0), (0, 1), (0, 1)))
    y = np.zeros((len(pixels), 2, 2, 2))
    for row in range(2):
        for column in range(2):
            window = padded[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            y[:, :, row, column] = np.einsum("bchw,ochw->bo", window, w["conv.weight"])
    across = (slice(None), None, None)
    y = (y - w["norm.running_mean"][across]) / np.sqrt(w["norm.running_var"][across] + 0.25)
    y = 2 * np.clip(y * w["norm.weight"][across] + w["norm.bias"][across], 0, 6)
    return y.mean((2, 3)) @ w["fc.weight"].T + w["fc.bias"]


@pytest.mark.parametrize("batch", [1, 3])
def test_it_computes_what_the_layers_say_for_any_batch(batch: int) -> None:
    pixels = np.random.default_rng(1).normal(size=(batch, 3, 4, 4)).astype(np.float32)
    session = onnxruntime.InferenceSession(tiny(state(tensors(), "tiny")))
    (logits,) = session.run(None, {"pixels": pixels})
    np.testing.assert_allclose(logits, by_hand(tensors(), pixels), atol=1e-5)


def test_normalisation_leaves_no_trace_in_the_graph() -> None:
    operators = {node.op_type for node in onnx.load_from_string(tiny(state(tensors(), "tiny"))).graph.node}
    assert "BatchNormalization" not in operators


def test_missing_weights_are_named() -> None:
    partial = {name: value for name, value in tensors().items() if name != "norm.running_var"}
    with pytest.raises(WeightsError, match=r"no norm.running_var \(2,\): they are not tiny's"):
        tiny(state(partial, "tiny"))


def test_weights_of_another_shape_are_named_with_both_shapes() -> None:
    wrong = tensors() | {"fc.bias": np.zeros(10, np.float32)}
    with pytest.raises(WeightsError, match=r"fc.bias is \(10,\), but \(1000,\) in tiny"):
        tiny(state(wrong, "tiny"))


def test_random_weights_are_the_same_for_the_same_seed() -> None:
    assert tiny(he_normal(seed=3)) == tiny(he_normal(seed=3)) != tiny(he_normal(seed=4))


def test_there_is_one_label_a_class_and_no_two_are_alike() -> None:
    labels = LABELS.read_text(encoding="utf-8").splitlines()
    assert len(labels) == len(set(labels)) == CLASSES


@pytest.mark.parametrize(
    ("number", "label"),
    [
        (0, "tench"),
        (134, "crane (bird)"),
        (281, "tabby"),
        (517, "crane (machine)"),
        (967, "espresso"),
        (999, "toilet tissue"),
    ],
)
def test_labels_are_in_the_order_of_the_classes(number: int, label: str) -> None:
    assert LABELS.read_text(encoding="utf-8").splitlines()[number] == label
