"""Text as the encoder takes it: word pieces in windows that overlap, with the place of each in the text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

WINDOW = 128
"""Word pieces in a window at most, the two marks at its ends included. The encoder was trained on as many."""

OVERLAP = 32
"""Word pieces that two neighbouring windows share, so that none is read without what stands around it."""


@dataclass(frozen=True)
class Pieces:
    """A text in word pieces, without marks at its ends.

    Attributes:
        ids: number of each in the vocabulary.
        offsets: where each begins and ends in the text, in code points.
        words: which word each is a part of; counts from 0.
    """

    ids: NDArray[np.int64]
    offsets: list[tuple[int, int]]
    words: list[int]


class WordPieces:
    """The encoder's tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._ends = np.array([tokenizer.token_to_id(mark) for mark in ("[CLS]", "[SEP]")], np.int64)

    @classmethod
    def load(cls, file: Path) -> Self:
        """From a ``tokenizer.json``."""
        return cls(Tokenizer.from_file(str(file)))

    @classmethod
    def of(cls, content: bytes) -> Self:
        """From the content of a ``tokenizer.json``."""
        return cls(Tokenizer.from_str(content.decode()))

    @property
    def count(self) -> int:
        """Word pieces that it knows."""
        return self._tokenizer.get_vocab_size()

    def split(self, text: str) -> Pieces:
        """A text in word pieces; none for a text of spaces."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        words = [-1 if word is None else word for word in encoding.word_ids]
        return Pieces(np.array(encoding.ids, np.int64), list(encoding.offsets), words)

    def marked(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """With the marks that the encoder expects at both ends."""
        return np.concatenate([self._ends[:1], ids, self._ends[1:]])


def windows(count: int) -> list[slice]:
    """Windows that cover so many word pieces; at least one, which may be empty."""
    size = WINDOW - 2
    starts = range(0, max(count - OVERLAP, 1), size - OVERLAP)
    return [slice(start, min(start + size, count)) for start in starts]


def batch(rows: Sequence[NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """The encoder's inputs for texts of different lengths, padded to the longest."""
    longest = max(len(row) for row in rows)
    ids = np.zeros((len(rows), longest), np.int64)
    mask = np.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)], mask[number, : len(row)] = row, 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
