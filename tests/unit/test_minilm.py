"""The encoder's side of texts: word pieces, their places, windows; and its weights with adapters."""

import itertools

import numpy as np
import pytest

from models.minilm import EncoderError, encoder
from models.minilm.encoder import SIZE, adapted, published
from models.minilm.text import OVERLAP, WINDOW, WordPieces, windows


@pytest.fixture(scope="module")
def pieces() -> WordPieces:
    return WordPieces.of(published("tokenizer.json"))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Meet Anna there", "Anna"),
        ("\U0001f600\U0001f600 Anna \U0001f680", "Anna"),
        ("Zürich und Łódź", "Łódź"),
        ("Cafe\u0301 Noe\u0301mi here", "Noe\u0301mi"),
        ("in 東京 today", "東"),
        ("a\u200db\u00a0 Anna", "Anna"),
    ],
)
def test_places_are_code_points_of_the_text_as_it_was_sent(pieces: WordPieces, text: str, word: str) -> None:
    split = pieces.split(text)
    at = text.index(word)
    inside = [(start, end) for start, end in split.offsets if at <= start < at + len(word)]
    assert (inside[0][0], inside[-1][1]) == (at, at + len(word))


def test_a_text_of_spaces_has_no_pieces(pieces: WordPieces) -> None:
    assert len(pieces.split(" \n ").ids) == 0


def test_a_short_text_is_one_window() -> None:
    assert windows(WINDOW - 2) == [slice(0, WINDOW - 2)]


def test_no_text_is_one_empty_window() -> None:
    assert windows(0) == [slice(0, 0)]


@pytest.mark.parametrize("count", [WINDOW - 1, WINDOW, 300, 1000])
def test_windows_cover_every_piece_and_overlap(count: int) -> None:
    parts = windows(count)
    assert parts[0].start == 0
    assert parts[-1].stop == count
    assert all(after.start == before.stop - OVERLAP for before, after in itertools.pairwise(parts))
    assert all(part.stop - part.start <= WINDOW - 2 for part in parts)


def test_adapters_of_zero_change_nothing() -> None:
    weights, name = encoder.weights(), "bert.encoder.layer.5.output.dense.weight"
    factors = {
        "5.output.dense.down": np.ones((SIZE.inner, 2), np.float32),
        "5.output.dense.up": np.zeros((2, SIZE.width), np.float32),
    }
    np.testing.assert_array_equal(adapted(weights, factors)[name], weights[name])


def test_an_adapter_adds_its_product_to_its_matrix_and_to_no_other() -> None:
    weights, name = encoder.weights(), "bert.encoder.layer.0.intermediate.dense.weight"
    random = np.random.default_rng(0)
    down, up = (random.normal(size=shape).astype(np.float32) for shape in ((SIZE.width, 8), (8, SIZE.inner)))
    made = adapted(weights, {"0.intermediate.dense.down": down, "0.intermediate.dense.up": up})
    np.testing.assert_allclose(made[name], weights[name] + (down @ up).T, atol=1e-4)
    assert [each for each in weights if made[each] is not weights[each]] == [name]


def test_another_file_than_the_published_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    package, path, _ = encoder.SOURCES["tokenizer.json"]
    monkeypatch.setitem(encoder.SOURCES, "tokenizer.json", (package, path, "0" * 64))
    with pytest.raises(EncoderError, match="expected SHA-256 0000"):
        published("tokenizer.json")
