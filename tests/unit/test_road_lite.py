"""The road model that set-up makes: what it takes, and how well it does on pictures it did not learn from."""

from pathlib import Path

import numpy as np
import pytest

from models.artefact import Artefact
from models.imagenet.preprocess import Preprocess
from models.road.camera import HELD_OUT
from models.road.draw import HOLDOUT_COUNT, HOLDOUT_SEED, draw
from models.road.network import Run, answers, metrics, session
from models.road_lite import NAME, VERSION, export


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store") / NAME / VERSION
    export.make(folder)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return session(folder / "model.onnx")


def test_it_says_dry_or_wet(folder: Path) -> None:
    assert Artefact.load(folder).classes(folder) == ["dry", "wet"]


def test_it_was_right_about_95_of_100_held_out_pictures(folder: Path) -> None:
    told = Artefact.load(folder).metrics
    assert told["holdout_pictures"] == HOLDOUT_COUNT >= 200
    assert told["holdout_accuracy"] >= 0.95


def test_some_of_them_measured_again_agree(folder: Path, run: Run) -> None:
    pictures = [draw(HELD_OUT, HOLDOUT_SEED, index) for index in range(50)]
    preprocess = Preprocess.of(Artefact.load(folder).preprocess)
    logits = answers(run, preprocess, (picture.pixels for picture in pictures))
    # Of a network that is right in 95 of 100, 50 pictures show less than 0.88 once in a hundred times.
    assert metrics(logits, [picture.label for picture in pictures])["holdout_accuracy"] >= 0.88


def test_a_batch_answers_what_its_pictures_answer_alone(run: Run) -> None:
    pixels = np.random.default_rng(1).normal(0, 1, (3, 3, 128, 128)).astype(np.float32)
    assert run(pixels) == pytest.approx(np.concatenate([run(one[None]) for one in pixels]), abs=1e-4)


def test_metrics_count_each_label_by_itself() -> None:
    found = metrics(np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32), [0, 0, 1, 1])
    assert (found["holdout_accuracy"], found["holdout_recall_dry"], found["holdout_recall_wet"]) == (0.75, 1.0, 0.5)
