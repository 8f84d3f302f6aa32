"""The model of names: what it learns from, how it reads its network, and how well it does on what it did not see."""

import numpy as np
import pytest

from models.minilm.encoder import published
from models.minilm.text import WordPieces
from models.ner import LABELS, export
from models.ner.compose import NAMES, Entity, Example, compose, templates
from models.ner.network import Named, f1, holdout, logits, named, shapes


@pytest.fixture(scope="module")
def tokenizer() -> WordPieces:
    return WordPieces.of(published("tokenizer.json"))


def scores(*labels: str) -> np.ndarray:
    """What a network says that is sure of these labels."""
    return np.array([[9.0 if label == one else 0.0 for one in LABELS] for label in labels])


def test_templates_are_filled_the_same_way_each_time() -> None:
    assert compose(templates(), 1, seed=3) == compose(templates(), 1, seed=3)


def test_every_composed_name_is_where_its_place_says() -> None:
    for example in compose(templates(), 1, seed=3):
        for entity in example.entities:
            name = example.text[entity.start : entity.end]
            assert name == name.strip() != ""


def test_no_held_out_name_is_one_to_learn_from() -> None:
    known = {name.casefold() for listed in NAMES.values() for name in listed}
    held_out = {one.text[name.start : name.end].casefold() for one in holdout() for name in one.entities}
    assert len(holdout()) >= 100
    assert not known & held_out


def test_no_held_out_sentence_is_a_template() -> None:
    assert not set(templates()) & {example.text for example in holdout()}


def test_pieces_of_a_name_are_one_name(tokenizer: WordPieces) -> None:
    text = "Thandiwe Mbongeni left."
    pieces = tokenizer.split(text)
    inside = sum(start < len("Thandiwe Mbongeni") for start, _ in pieces.offsets)
    assert inside > 2
    labels = ["B-PER"] + ["I-PER"] * (inside - 1) + ["O"] * (len(pieces.ids) - inside)
    (found,) = named(text, pieces, scores(*labels))
    assert (found.entity, found.text, found.start, found.end) == ("PER", "Thandiwe Mbongeni", 0, 17)


def test_two_names_side_by_side_stay_two(tokenizer: WordPieces) -> None:
    text = "Anna Paris"
    found = named(text, tokenizer.split(text), scores("B-PER", "B-LOC"))
    assert [(one.entity, one.text) for one in found] == [("PER", "Anna"), ("LOC", "Paris")]


def test_a_name_cannot_start_inside(tokenizer: WordPieces) -> None:
    text = "in Paris"
    sure = scores("O", "I-LOC")
    sure[1, LABELS.index("B-LOC")] = 5
    assert [(one.entity, one.text) for one in named(text, tokenizer.split(text), sure)] == [("LOC", "Paris")]


def test_a_word_is_never_split_between_a_name_and_the_rest(tokenizer: WordPieces) -> None:
    text = "Kowalczykowa"
    pieces = tokenizer.split(text)
    assert len(pieces.ids) > 2
    found = named(text, pieces, scores("B-PER", *["O"] * (len(pieces.ids) - 1)))
    assert [one.text for one in found] in ([], [text])


@pytest.mark.parametrize("name", ["Zoë", "Noe\u0301mi", "Łukasz", "東京"])
def test_names_keep_their_places_after_astral_characters(tokenizer: WordPieces, name: str) -> None:
    text = f"\U0001f600\U0001f680 {name} \U0001f600"
    pieces = tokenizer.split(text)
    at = text.index(name)
    inside = [at <= start < at + len(name) for start, _ in pieces.offsets]
    first = inside.index(True)
    labels = [("B-LOC" if number == first else "I-LOC") if one else "O" for number, one in enumerate(inside)]
    (found,) = named(text, pieces, scores(*labels))
    assert (found.text, found.start, found.end) == (name, at, at + len(name))


def test_an_emoji_is_no_part_of_a_name(tokenizer: WordPieces) -> None:
    text = "Osaka \U0001f600"
    (found,) = named(text, tokenizer.split(text), scores("B-LOC", "I-LOC"))
    assert found.text == "Osaka"


def test_a_text_of_spaces_has_no_names(tokenizer: WordPieces) -> None:
    assert named("  ", tokenizer.split("  "), np.zeros((0, len(LABELS)))) == []


def test_shapes_tell_capitals_digits_and_signs(tokenizer: WordPieces) -> None:
    text = "Anna met NATO in 2019."
    rows = shapes(text, tokenizer.split(text))
    assert [tuple(row) for row in rows[:5]] == [(1, 0, 0, 0), (0, 0, 0, 0), (1, 1, 0, 0), (0, 0, 0, 0), (0, 0, 1, 1)]


def test_where_windows_overlap_the_deeper_one_counts(tokenizer: WordPieces) -> None:
    text = "word " * 300
    pieces = tokenizer.split(text)

    def depth(inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Answers for each piece how far it is from the edge of its window."""
        length = inputs["attention_mask"].sum(axis=1, keepdims=True)
        at = np.broadcast_to(np.arange(inputs["input_ids"].shape[1]), inputs["input_ids"].shape)
        edge = np.minimum(at, length - 1 - at)
        return np.repeat(edge[..., None], len(LABELS), axis=2).astype(np.float32)

    (found,) = logits(depth, tokenizer, [text], [pieces])
    assert found[20:-20].min() >= 16


def test_f1_counts_a_name_only_when_kind_and_both_ends_are_right() -> None:
    example = Example("Anna Lee met Bob.", (Entity("PER", 0, 8), Entity("PER", 13, 16)))
    found = [Named("PER", "Anna Lee", 0, 8, 1.0), Named("ORG", "Bob", 13, 16, 1.0)]
    assert f1([example], [found]) == {"precision": 0.5, "recall": 0.5, "f1": 0.5}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    return export.make(tmp_path_factory.mktemp("store") / "minilm_ner" / "1.2.0").metrics


def test_f1_on_held_out_names_is_at_least_075(measured: dict[str, float]) -> None:
    assert measured["holdout_f1"] >= 0.75
