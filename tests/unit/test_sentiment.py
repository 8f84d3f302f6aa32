"""The sentiment model: what it learns from, and how well it does on what it did not."""

import pytest

from models.sentiment import LABELS, export
from models.sentiment.compose import clauses, compose
from models.sentiment.network import holdout


def test_training_sentences_are_the_same_each_time() -> None:
    assert compose(clauses(), 50, seed=3) == compose(clauses(), 50, seed=3)


def test_both_labels_are_taught_alike() -> None:
    labels = [example.label for example in compose(clauses(), 100, seed=3)]
    assert sum(labels) * 2 == len(labels)


def test_there_are_two_hundred_held_out_sentences_half_of_them_positive() -> None:
    texts, labels = holdout()
    assert len(set(texts)) == len(texts) >= 200
    assert labels.count("POSITIVE") == labels.count("NEGATIVE")
    assert set(labels) == set(LABELS)


def test_no_held_out_sentence_is_trained_on() -> None:
    trained = {clause.casefold().strip(" .!") for pool in clauses() for clause in pool}
    assert not trained & {text.casefold().strip(" .!") for text in holdout()[0]}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    return export.make(tmp_path_factory.mktemp("store") / "minilm_sentiment" / "1.2.0").metrics


def test_it_is_right_about_85_in_100_held_out_sentences(measured: dict[str, float]) -> None:
    assert measured["holdout_accuracy"] >= 0.85
