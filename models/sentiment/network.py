"""The sentiment of texts by the network, for serving and for evaluation alike."""

import json
from collections.abc import Callable, Mapping, Sequence
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


def probabilities(run: Run, pieces: WordPieces, texts: Sequence[Pieces]) -> list[NDArray[np.float64]]:
    """How likely each label is for each text: the softmax of logits, which windows contribute to by their length."""
    rows = [(number, part) for number, text in enumerate(texts) for part in windows(len(text.ids))]
    sums = np.zeros((len(texts), 2))
    lengths = np.zeros((len(texts), 1))
    # Windows of like lengths share a run, because a run is padded to its longest.
    rows.sort(key=lambda row: row[1].stop - row[1].start)
    for start in range(0, len(rows), ROWS):
        some = rows[start : start + ROWS]
        logits = run(batch([pieces.marked(texts[number].ids[part]) for number, part in some]))
        for (number, part), row in zip(some, logits, strict=True):
            weight = max(part.stop - part.start, 1)
            sums[number] += weight * row.astype(np.float64)
            lengths[number] += weight
    means = sums / lengths
    powers = np.exp(means - means.max(axis=1, keepdims=True))
    return list(powers / powers.sum(axis=1, keepdims=True))


def holdout() -> tuple[list[str], list[str]]:
    """Sentences that nothing was trained or tuned on, and their labels."""
    lines = [json.loads(line) for line in HOLDOUT.read_text(encoding="utf-8").splitlines()]
    return [line["text"] for line in lines], [line["label"] for line in lines]
