"""ResNet50 built from torchvision's names: the same numbers, and clear refusal of other weights."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors.numpy import save_file

from models.resnet50 import export
from models.weights import WeightsError, he_normal

# Every 125th logit of torchvision 0.29's resnet50 on torch 2.15 with the weights of ``he_normal(0)``, for ``WAVE``.
REFERENCE = [475.457, -324.565, 382.648, -375.916, 813.11, 16.924, -437.576, -806.792]
WAVE = np.sin(np.arange(3 * 224 * 224) * 0.001).astype(np.float32).reshape(1, 3, 224, 224)


@pytest.fixture(scope="module")
def model() -> bytes:
    return export.network(he_normal(0))


def test_its_logits_are_those_of_torchvision(model: bytes) -> None:
    (logits,) = onnxruntime.InferenceSession(model).run(None, {"pixels": WAVE})
    np.testing.assert_allclose(logits[0, ::125], REFERENCE, rtol=1e-3, atol=1e-3 * np.abs(REFERENCE).max())


def test_it_has_as_many_parameters_as_were_published(model: bytes) -> None:
    held = sum(int(np.prod(tensor.dims)) for tensor in onnx.load_from_string(model).graph.initializer)
    # 25,557,032, with 53 normalisations whose scale and shift are now one bias of the convolution: 26,560 fewer.
    assert held == 25_557_032 - 26_560


def test_weights_of_another_network_are_refused_by_the_first_that_is_missing(tmp_path: Path) -> None:
    save_file({"features.0.weight": np.zeros((1,), np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"no bn1.weight \(64,\): they are not ResNet50's"):
        export.make(tmp_path / "resnet50" / "1.0.0", tmp_path, source="a test")


def test_weights_cut_short_are_refused_and_nothing_is_made(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"bn1.weight": np.zeros((64,), np.float32)}, file)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"not a whole safetensors file.*\n.*again"):
        export.make(tmp_path / "resnet50" / "1.0.0", tmp_path, source="a test")
    assert not (tmp_path / "resnet50" / "1.0.0").exists()
