"""Where a text lies among all that its model could read: the mean of its word pieces' embeddings, in a few directions.

The directions are the principal components of the whole vocabulary, so no text is needed to find them. Topics, names
and other languages lie apart along them: docs/drift.md has what that finds.
"""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from models.artefact import Artefact

FILE = "embedding.safetensors"
DIRECTIONS = 3
"""The first tells reviews from news in 91 of 100 pairs, the third in 84, the fourth in 59."""


def directions(table: NDArray[np.float32]) -> bytes:
    """The artefact's file for a model's embeddings of word pieces, (vocabulary, width).

    Along each direction the vocabulary has mean 0 and standard deviation 1.
    """
    centred = table - table.mean(axis=0)
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(centred))  # rising
    leading = vectors[:, ::-1][:, :DIRECTIONS]
    # Which way a direction points is up to the linear algebra library; the reference for drift must not be.
    leading = leading * np.sign(np.take_along_axis(leading, np.abs(leading).argmax(axis=0)[None], axis=0))
    found = centred @ leading / np.sqrt(variances[::-1][:DIRECTIONS])
    return save({"directions": found.astype(np.float16)})


class Embedding:
    """The directions of one model's vocabulary, (vocabulary, direction)."""

    def __init__(self, table: NDArray[np.floating]) -> None:
        self._table = table.astype(np.float32)

    @classmethod
    def of(cls, artefact: Artefact, folder: Path) -> Self | None:
        """That of an artefact in its folder; none where its maker put none there."""
        file = artefact.preprocess.get("embedding")
        return cls(load_file(folder / file)["directions"]) if file else None

    def statistics(self, ids: NDArray[np.int64]) -> dict[str, float]:
        """``embedding_1`` and on, for a text's word pieces; nothing for a text without any."""
        if not len(ids):
            return {}
        means: list[float] = self._table[ids].mean(axis=0).tolist()
        return {f"embedding_{number}": mean for number, mean in enumerate(means, start=1)}
