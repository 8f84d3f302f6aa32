"""The engine for GPUs, beside ONNX Runtime, for every model that the project ships: on a GPU where there is one.

Without one the same code is compiled for the CPU, so that only what is CUDA's own is left untried.
"""

import json
import os
import re
import subprocess
from typing import Any

import pytest

from models.resnet50.export import make_random
from models.store import default_stores, resolve
from toolchain import places

PYTHON = places.TRAINING / "bin" / "python"

pytestmark = [
    pytest.mark.local,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not PYTHON.exists(), reason="PyTorch is in the environment that trains: make training"),
]

SHIPPED = {
    "circle_detector": "1.1.0",
    "efficientnet_lite0": "1.0.0",
    "minilm_ner": "1.2.0",
    "minilm_sentiment": "1.2.0",
    "road_lite": "1.0.0",
}
READS_TEXT = ["minilm_ner", "minilm_sentiment"]
DIFFERENCE = 0.1
"""Of an output's norm, on noise: twice the worst that bfloat16, whose steps are 0.4 %, was seen to make of it."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came out for each model; minutes, most of which compile what PyTorch then keeps."""
    root = tmp_path_factory.mktemp("torch")
    make_random(root / "resnet50" / "0.0.0")
    folders = [resolve(name, version, default_stores()) for name, version in SHIPPED.items()]
    command = [str(PYTHON), "-m", "tests.local.torch_answers", *map(str, folders), str(root / "resnet50" / "0.0.0")]
    done = subprocess.run(command, cwd=places.CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", [*SHIPPED.keys() - {"circle_detector"}, "resnet50"])
def test_its_answers_are_those_of_onnx_runtime(told: dict[str, Any], name: str) -> None:
    assert told[name]["difference"] < DIFFERENCE


def test_circles_are_found_where_they_were(told: dict[str, Any]) -> None:
    found, wanted = told["circle_detector"]["circles"]
    assert len(wanted) == 24
    assert found == [pytest.approx(circle, abs=0.5) for circle in wanted]


def test_a_gpu_that_failed_is_lost_to_the_process(told: dict[str, Any]) -> None:
    assert told["circle_detector"]["lost"] == "CUDA error: an illegal memory access was encountered"


@pytest.mark.parametrize("name", [*SHIPPED, "resnet50"])
def test_inputs_that_do_not_fit_are_refused_by_name(told: dict[str, Any], name: str) -> None:
    said = told[name]["refusals"]
    for what in ("missing", "type", "axes"):
        assert " must be " in said[what]


@pytest.mark.parametrize("name", READS_TEXT)
def test_a_word_that_no_table_has_never_reaches_the_gpu(told: dict[str, Any], name: str) -> None:
    assert "input_ids is a number of 30522 rows" in told[name]["refusals"]["row"]


@pytest.mark.parametrize("name", READS_TEXT)
def test_what_is_computed_of_shapes_leaves_no_tensor_off_the_gpu(told: dict[str, Any], name: str) -> None:
    assert told[name]["stray"] == ""


@pytest.mark.parametrize("name", READS_TEXT)
@pytest.mark.parametrize("what", ["lengths", "long"])
def test_lengths_that_do_not_fit_each_other_or_the_model_are_refused(
    told: dict[str, Any], name: str, what: str
) -> None:
    assert told[name]["refusals"][what]


def test_a_gpu_that_is_asked_for_and_absent_is_refused_before_anything_is_loaded() -> None:
    # Also where there is one: CUDA then sees none.
    told = {"MODEL_DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": "", "PORT": "0"}
    told |= {"MODEL_NAME": "circle_detector", "MODEL_VERSION": SHIPPED["circle_detector"]}
    command = [str(PYTHON), "-m", "apps.runtime", "detector"]
    done = subprocess.run(
        command, cwd=places.CHECKOUT, env=os.environ | told, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.match(r"MODEL_DEVICE is cuda, but PyTorch \S+ here can use no GPU: \w+", done.stderr)
    assert "or set MODEL_DEVICE=cpu" in done.stderr
    assert "Traceback" not in done.stderr
