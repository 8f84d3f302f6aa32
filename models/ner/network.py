"""The names in a text by the network, for serving and for evaluation alike."""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.minilm.text import Pieces, WordPieces, batch, windows
from models.ner import LABELS
from models.ner.compose import Entity, Example

Run = Callable[[Mapping[str, NDArray[Any]]], NDArray[Any]]
"""Logits (row, piece, label) of rows of word pieces, marks at both ends included."""

HOLDOUT = Path(__file__).parent / "holdout" / "sentences.jsonl"

ROWS = 16
"""Windows in a run at most, so that a long text cannot take all memory."""

SHAPES = 4
"""What ``shapes`` says of a piece."""

NEVER = -1e9

SYMBOLS = frozenset({"So", "Sk", "Cf"})
"""Unicode categories, emoji among them, that the encoder does not know and that are no part of a name."""


@dataclass(frozen=True)
class Named:
    """A name that was found.

    Attributes:
        entity: PER, ORG, LOC or MISC.
        text: the name, as the text has it.
        start: where it begins, in code points.
        end: where it has ended.
        score: how likely its word pieces are of that kind, 0 to 1, on average.
    """

    entity: str
    text: str
    start: int
    end: int
    score: float


def shapes(text: str, pieces: Pieces) -> NDArray[np.float32]:
    """What the encoder, which reads lower case, cannot see of each piece's word.

    That is whether it begins with a capital, is all capitals, has a digit, and is a number or sign throughout.
    """
    spans: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(pieces.words, pieces.offsets, strict=True):
        first, last = spans.get(word, (start, end))
        spans[word] = min(first, start), max(last, end)
    rows = {}
    for word, (start, end) in spans.items():
        part = text[start:end]
        capital = part[:1].isupper() or part[:1].istitle()
        rows[word] = (capital, len(part) > 1 and part.isupper(), any(map(str.isdigit, part)), not part.isalpha())
    return np.array([rows[word] for word in pieces.words], np.float32).reshape(-1, SHAPES)


def logits(run: Run, tokenizer: WordPieces, texts: Sequence[str], split: Sequence[Pieces]) -> list[NDArray[np.float64]]:
    """How likely each label is for each piece of each text, before the softmax. Where windows overlap, the one counts
    in which the piece is further from the edge."""
    found = [np.zeros((len(pieces.ids), len(LABELS))) for pieces in split]
    depth = [np.full(len(pieces.ids), -1) for pieces in split]
    rows = [(number, part) for number, pieces in enumerate(split) for part in windows(len(pieces.ids))]
    rows.sort(key=lambda row: row[1].stop - row[1].start)
    look = [shapes(text, pieces) for text, pieces in zip(texts, split, strict=True)]
    for start in range(0, len(rows), ROWS):
        some = rows[start : start + ROWS]
        inputs: dict[str, Any] = batch([tokenizer.marked(split[number].ids[part]) for number, part in some])
        seen = np.zeros((*inputs["input_ids"].shape, SHAPES), np.float32)
        for row, (number, part) in enumerate(some):
            seen[row, 1 : 1 + part.stop - part.start] = look[number][part]
        answer = run(inputs | {"shapes": seen})
        for row, (number, part) in enumerate(some):
            count = part.stop - part.start
            inside = np.minimum(np.arange(count), np.arange(count)[::-1])
            better = inside > depth[number][part]
            found[number][part][better] = answer[row, 1 : 1 + count][better]
            depth[number][part][better] = inside[better]
    return found


def named(text: str, pieces: Pieces, scores: NDArray[np.float64]) -> list[Named]:
    """The names of the most likely sequence of labels that is one: inside follows begin, and no word is split."""
    if not len(scores):
        return []
    normal = scores - scores.max(axis=1, keepdims=True)
    normal -= np.log(np.exp(normal).sum(axis=1, keepdims=True))
    for at, (start, end) in enumerate(pieces.offsets):
        if all(unicodedata.category(one) in SYMBOLS for one in text[start:end]):
            normal[at] = [0.0 if label == "O" else NEVER for label in LABELS]
    path = _best(normal, pieces.words)
    likely = np.exp(normal)
    entities: list[Named] = []
    at = 0
    while at < len(path):
        label = LABELS[path[at]]
        begin, at = at, at + 1
        if label == "O":
            continue
        kind = label[2:]
        while at < len(path) and LABELS[path[at]] == f"I-{kind}":
            at += 1
        columns = [number for number, name in enumerate(LABELS) if name.endswith(f"-{kind}")]
        score = float(likely[begin:at, columns].sum(axis=1).mean())
        start, end = pieces.offsets[begin][0], pieces.offsets[at - 1][1]
        entities.append(Named(kind, text[start:end], start, end, score))
    return entities


def _best(scores: NDArray[np.float64], words: Sequence[int]) -> list[int]:
    """The Viterbi path under the rules that ``named`` states."""
    between, within = _rules()
    total = scores[0] + np.array([NEVER if label.startswith("I-") else 0.0 for label in LABELS])
    back: list[NDArray[np.intp]] = []
    for number in range(1, len(scores)):
        steps = total[:, None] + (within if words[number] == words[number - 1] else between)
        back.append(steps.argmax(axis=0))
        total = steps.max(axis=0) + scores[number]
    path = [int(total.argmax())]
    for pointers in reversed(back):
        path.append(int(pointers[path[-1]]))
    return path[::-1]


def _rules() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What it costs to go from a label (row) to another (column), between words and within one."""
    between = np.zeros((len(LABELS), len(LABELS)))
    within = np.full_like(between, NEVER)
    for before, one in enumerate(LABELS):
        for after, other in enumerate(LABELS):
            follows = other.startswith("I-") and one[2:] == other[2:]
            if other.startswith("I-") and not follows:
                between[before, after] = NEVER
            if follows or one == other == "O":
                within[before, after] = 0
    return between, within


def holdout() -> list[Example]:
    """Sentences that nothing was trained or tuned on, and the names in them."""
    lines = [json.loads(line) for line in HOLDOUT.read_text(encoding="utf-8").splitlines()]
    return [Example(line["text"], tuple(Entity(**entity) for entity in line["entities"])) for line in lines]


def f1(examples: Sequence[Example], found: Sequence[Sequence[Named]]) -> dict[str, float]:
    """Precision, recall and their harmonic mean: a name counts when kind, start and end are right (CoNLL-2003)."""
    expected = {(at, one.entity, one.start, one.end) for at, example in enumerate(examples) for one in example.entities}
    answered = {(at, one.entity, one.start, one.end) for at, some in enumerate(found) for one in some}
    right = len(expected & answered)
    precision, recall = right / max(len(answered), 1), right / max(len(expected), 1)
    mean = 2 * precision * recall / max(precision + recall, 1e-12)
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(mean, 4)}
