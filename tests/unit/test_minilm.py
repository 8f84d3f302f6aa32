"""The encoder's side of texts: word pieces, their places, windows; and its graph with adapters."""

import itertools

import numpy as np
import onnxruntime
import pytest

from models.minilm import EncoderError, encoder
from models.minilm.encoder import LAYERS, WIDTH, Encoder, published
from models.minilm.text import OVERLAP, WINDOW, WordPieces, batch, windows


@pytest.fixture(scope="module")
def pieces() -> WordPieces:
    return WordPieces.of(published("tokenizer.json"))


def hidden(graph: bytes, pieces: WordPieces, text: str, output: str) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([output], batch([pieces.marked(pieces.split(text).ids)]))[0])


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


def test_adapters_of_zero_change_nothing(pieces: WordPieces) -> None:
    plain, adapted = Encoder(), Encoder()
    adapted.adapt(
        {
            "5.output.dense.down": np.ones((4 * WIDTH, 2), np.float32),
            "5.output.dense.up": np.zeros((2, WIDTH), np.float32),
        }
    )
    state = plain.state(LAYERS)
    shape = {state: ["batch", "sequence", WIDTH]}
    before, after = (hidden(one.finish([], shape), pieces, "A cat sat.", state) for one in (plain, adapted))
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_an_adapter_adds_its_product_to_its_matrix(pieces: WordPieces) -> None:
    adapted = Encoder()
    down, up = np.full((WIDTH, 1), 0.01, np.float32), np.full((1, WIDTH), 0.5, np.float32)
    adapted.adapt({"0.attention.self.query.down": down, "0.attention.self.query.up": up})
    first = "layer_norm"
    outputs = {name: ["batch", "sequence", WIDTH] for name in ("linear", first)}
    graph = adapted.finish([], outputs)
    entered = hidden(graph, pieces, "A cat sat.", first)
    weights = Encoder().layer(0)
    matrix = weights["attention.self.query.weight"] + down @ up
    expected = entered @ matrix + weights["attention.self.query.bias"]
    np.testing.assert_allclose(hidden(graph, pieces, "A cat sat.", "linear"), expected, atol=1e-4)


def test_another_file_than_the_published_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    package, path, _ = encoder.SOURCES["tokenizer.json"]
    monkeypatch.setitem(encoder.SOURCES, "tokenizer.json", (package, path, "0" * 64))
    with pytest.raises(EncoderError, match="expected SHA-256 0000"):
        published("tokenizer.json")
