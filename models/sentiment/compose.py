"""Sentences to learn sentiment from: clauses that were written for it, and what templates make of them and of words."""

import random
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WRITTEN = Path(__file__).parent / "written"

with (WRITTEN / "words.toml").open("rb") as words:
    WORDS = tomllib.load(words)
"""Nouns, and for each sentiment adjectives, verbs and predicates."""

PREDICATES = (
    "The {noun} {predicate}",
    "My {noun} {predicate}",
    "Our {noun} {predicate}",
    "This {noun} {predicate}",
    "Their {noun} {predicate}",
    "The {noun} {predicate} and the {noun2} {predicate2}",
    "The {adjective} {noun} {predicate}",
    "The {noun} was {adjective} and {predicate}",
)

PLAIN = (
    "The {noun} was {adverb}{adjective}",
    "The {noun} is {adverb}{adjective}",
    "What a{n} {adjective} {noun}",
    "Such a{n} {adjective} {noun}",
    "{adjective} {noun}",
    "I {verb} the {noun}",
    "We found the {noun} {adverb}{adjective}",
    "The {noun} and the {noun2} were {adjective}",
    "A{n} {adjective} {noun} and a{n2} {adjective2} {noun2}",
    "Everything about the {noun} was {adjective}",
    *PREDICATES,
)
"""Say what their words say."""

TURNED = (
    "The {noun} was not {adjective}",
    "The {noun} isn't {adjective} at all",
    "There is nothing {adjective} about the {noun}",
    "The {noun} was anything but {adjective}",
    "I don't think the {noun} is {adjective}",
    "The {noun} was far from {adjective}",
    "Nobody could call the {noun} {adjective}",
)
"""Say the opposite of what their words say."""

CONTRASTS = (
    "{other}, but {main}",
    "{other}. Still, {main}",
    "Although {other}, {main}",
    "Even though {other}, {main}",
    "They say that {other}. In truth, {main}",
    "I expected the {noun} to be {adjective}, but {main}",
    "The {noun} used to be {adjective}; now {main}",
    "Friends told me that {other}; for me, {main}",
)
"""Two clauses of opposite sentiment, of which ``main`` is what the sentence says."""

AGREEMENTS = ("{one}, and {two}", "{one}. {two}", "{one} because {two}", "{one}; {two}", "{one}! {two}!")

ADVERBS = ("", "", "", "really ", "so ", "very ", "absolutely ", "quite ", "truly ")


@dataclass(frozen=True)
class Example:
    """A text and its label: 0 negative, 1 positive."""

    text: str
    label: int


def clauses() -> tuple[list[str], list[str]]:
    """Those that were written by hand, negative and positive."""
    negative, positive = (
        (WRITTEN / f"{name}.txt").read_text(encoding="utf-8").splitlines() for name in ("negative", "positive")
    )
    return negative, positive


def compose(pools: Sequence[Sequence[str]], count: int, seed: int) -> list[Example]:
    """As many sentences as asked for beside one for each clause; the same seed makes the same ones.

    Args:
        pools: clauses, negative and positive.
        count: sentences that templates make.
        seed: of every choice.
    """
    rng = random.Random(seed)  # noqa: S311 - no secret
    written = [Example(_punctuate(rng, clause), label) for label, pool in enumerate(pools) for clause in pool]
    return written + [_composed(rng, pools, number % 2) for number in range(count)]


def _composed(rng: random.Random, pools: Sequence[Sequence[str]], label: int) -> Example:
    kind = rng.choices(("plain", "turned", "contrast", "agreement", "mixed"), (50, 10, 15, 15, 10))[0]
    if kind == "plain":
        text = _filled(rng, rng.choice(PLAIN), label)
    elif kind == "turned":
        text = _filled(rng, rng.choice(TURNED), 1 - label)
    elif kind == "contrast":
        other, main = rng.choice(pools[1 - label]), rng.choice(pools[label])
        words = _words(rng, 1 - label)
        text = rng.choice(CONTRASTS).format(other=other, main=main, **words)
    elif kind == "agreement":
        one, two = rng.sample(pools[label], 2)
        text = rng.choice(AGREEMENTS).format(one=one, two=two)
    else:
        text = f"{_filled(rng, rng.choice(PLAIN), label)}. {rng.choice(pools[label])}"
    return Example(_punctuate(rng, text), label)


def _filled(rng: random.Random, template: str, label: int) -> str:
    return template.format(**_words(rng, label))


def _words(rng: random.Random, label: int) -> dict[str, str]:
    words = WORDS["positive" if label else "negative"]
    noun, noun2 = rng.sample(WORDS["nouns"], 2)
    adjective, adjective2 = rng.sample(words["adjectives"], 2)
    predicate, predicate2 = rng.sample(words["predicates"], 2)
    return {
        "predicate": predicate,
        "predicate2": predicate2,
        "noun": noun,
        "noun2": noun2,
        "adjective": adjective,
        "adjective2": adjective2,
        "verb": rng.choice(words["verbs"]),
        "adverb": rng.choice(ADVERBS),
        "n": "n" if adjective[0] in "aeiou" else "",
        "n2": "n" if adjective2[0] in "aeiou" else "",
    }


def _punctuate(rng: random.Random, text: str) -> str:
    """Mostly as one writes, sometimes as one types."""
    if rng.random() < 0.85:
        text = text[0].upper() + text[1:]
    return text + rng.choice(("", ".", ".", ".", ".", "!"))
