"""Where texts lie among all that their model could read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from models import sentiment
from models.artefact import Artefact
from models.bert.embedding import DIRECTIONS, Embedding, directions
from models.minilm.text import WordPieces
from models.store import default_stores, resolve

TABLE = np.random.default_rng(1).standard_normal((500, 8)).astype(np.float32) * np.arange(8, 0, -1, np.float32) + 3


def of(table: np.ndarray) -> np.ndarray:
    """What the artefact's file holds."""
    return load(directions(table))["directions"].astype(np.float64)


def test_the_vocabulary_has_mean_0_and_deviation_1_along_each_direction() -> None:
    found = of(TABLE)
    assert found.shape == (500, DIRECTIONS)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=1e-3)


def test_the_directions_are_those_in_which_the_vocabulary_differs_most() -> None:
    along = np.abs(np.corrcoef(of(TABLE).T, TABLE.T)[:DIRECTIONS, DIRECTIONS:])
    assert along.argmax(axis=1).tolist() == [0, 1, 2]


def test_which_way_a_direction_points_does_not_hang_on_the_order_of_columns() -> None:
    np.testing.assert_allclose(of(TABLE), of(TABLE[:, ::-1].copy()), atol=2e-3)


def test_a_text_is_the_mean_of_its_pieces() -> None:
    embedding = Embedding(np.array([[0, 2], [4, 0], [100, 100]], np.float16))
    assert embedding.statistics(np.array([0, 1])) == {"embedding_1": 2, "embedding_2": 1}
    assert embedding.statistics(np.array([], np.int64)) == {}


@pytest.fixture(scope="module")
def made() -> tuple[Artefact, Path]:
    """The artefact of the sentiment app, made at set-up."""
    folder = resolve(sentiment.NAME, sentiment.VERSION, default_stores())
    return Artefact.load(folder), folder


def test_a_served_model_knows_where_texts_lie(made: tuple[Artefact, Path]) -> None:
    embedding, pieces = Embedding.of(*made), WordPieces.load(made[1] / "tokenizer.json")
    assert embedding
    english, german = (
        embedding.statistics(pieces.split(text).ids) for text in ("the food was good", "das Essen schmeckte uns gut")
    )
    assert list(english) == [f"embedding_{number}" for number in range(1, DIRECTIONS + 1)]
    assert abs(english["embedding_1"] - german["embedding_1"]) > 0.5


def test_an_artefact_that_was_made_without_one_has_none(made: tuple[Artefact, Path]) -> None:
    artefact, folder = made
    assert Embedding.of(replace(artefact, preprocess={"tokenizer": "tokenizer.json"}), folder) is None
