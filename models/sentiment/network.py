"""The sentiment of texts by the network, for serving and for evaluation alike."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.minilm.text import Pieces, WordPieces, batch, windows

Run = Callable[[Mapping[str, NDArray[np.int64]]], NDArray[Any]]
"""Logits (row, label) of rows of word pieces."""

HOLDOUT = Path(__file__).parent / "holdout" / "sentences.jsonl"

ROWS = 16
"""Windows in a run at most, so that a long text cannot take all memory."""


@dataclass(frozen=True)
class Part:
    """Windows that share a run.

    Attributes:
        windows: the text that each is of, and its weight in that.
        inputs: of the network.
    """

    windows: list[tuple[int, int]]
    inputs: dict[str, NDArray[np.int64]]


def parts(pieces: WordPieces, texts: Sequence[Pieces]) -> list[Part]:
    """What the network is to be run on for these texts."""
    rows = [(number, part) for number, text in enumerate(texts) for part in windows(len(text.ids))]
    # Windows of like lengths share a run, because a run is padded to its longest.
    rows.sort(key=lambda row: row[1].stop - row[1].start)
    return [
        Part(
            [(number, max(part.stop - part.start, 1)) for number, part in some],
            batch([pieces.marked(texts[number].ids[part]) for number, part in some]),
        )
        for some in (rows[start : start + ROWS] for start in range(0, len(rows), ROWS))
    ]


def weighed(count: int, answered: Iterable[tuple[Part, NDArray[Any]]]) -> list[NDArray[np.float64]]:
    """How likely each label is for each text: the softmax of logits, which windows contribute to by their length.

    Args:
        count: how many texts there are.
        answered: every part of them, and its logits (row, label).
    """
    sums, lengths = np.zeros((count, 2)), np.zeros((count, 1))
    for part, logits in answered:
        for (number, weight), row in zip(part.windows, logits, strict=True):
            sums[number] += weight * row.astype(np.float64)
            lengths[number] += weight
    means = sums / lengths
    powers = np.exp(means - means.max(axis=1, keepdims=True))
    return list(powers / powers.sum(axis=1, keepdims=True))


def probabilities(run: Run, pieces: WordPieces, texts: Sequence[Pieces]) -> list[NDArray[np.float64]]:
    """How likely each label is for each text, by a network that runs here."""
    return weighed(len(texts), ((part, run(part.inputs)) for part in parts(pieces, texts)))


def holdout() -> tuple[list[str], list[str]]:
    """Sentences that nothing was trained or tuned on, and their labels."""
    lines = [json.loads(line) for line in HOLDOUT.read_text(encoding="utf-8").splitlines()]
    return [line["text"] for line in lines], [line["label"] for line in lines]
