"""Texts in requests, refused alike by all apps that read them."""

import numpy as np
from pydantic import BaseModel, Field

from apps.runtime.problems import Problem
from models.bert.embedding import Embedding
from models.minilm.text import Pieces

MAX_CHARACTERS = 20_000
"""Code points of a text at most: ten pages, some seconds of inference on one core."""


class Text(BaseModel):
    """One text."""

    text: str = Field(min_length=1, max_length=MAX_CHARACTERS)


def content(value: object) -> str:
    """The text that an instance is; bytes are UTF-8.

    Raises:
        Problem: 422 for anything but a text, for one that is blank, and for one that is too long.
    """
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            raise Problem(422, "no-text", f"The bytes of an instance are no UTF-8: {error}.") from None
    if not isinstance(value, str):
        raise Problem(422, "no-text", f"An instance must be a text; this is {type(value).__name__}.")
    if not value.strip():
        raise Problem(422, "text-empty", "There is no text.")
    if len(value) > MAX_CHARACTERS:
        text = f"The text has {len(value)} characters; at most {MAX_CHARACTERS} are read. Send it in parts."
        raise Problem(422, "text-too-long", text)
    return value


def statistics(pieces: Pieces, embedding: Embedding | None = None) -> dict[str, float]:
    """What a text is like.

    Returns:
        ``length`` in word pieces; ``pieces_per_word``, which rises with words that the vocabulary lacks, as another
        language's; ``rarity``, the mean of the logarithm (base 2) of its pieces' numbers in the vocabulary, which
        counts characters first, then words by how frequent they are; ``embedding_1`` and on where the model has one.
    """
    count = len(pieces.ids)
    return (embedding.statistics(pieces.ids) if embedding else {}) | {
        "length": float(count),
        "pieces_per_word": count / max(len(set(pieces.words)), 1),
        "rarity": float(np.log2(pieces.ids + 1).mean()) if count else 0.0,
    }
