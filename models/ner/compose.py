"""Sentences to learn names from: templates that were written for it, filled with names."""

import random
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WRITTEN = Path(__file__).parent / "written"

with (WRITTEN / "names.toml").open("rb") as file:
    NAMES: dict[str, list[str]] = tomllib.load(file)

SLOT = re.compile(r"\{([A-Z]+)\}")


@dataclass(frozen=True)
class Entity:
    """A name in a text.

    Attributes:
        entity: PER, ORG, LOC or MISC.
        start: where it begins, in code points.
        end: where it has ended.
    """

    entity: str
    start: int
    end: int


@dataclass(frozen=True)
class Example:
    """A text and the names in it, in order."""

    text: str
    entities: tuple[Entity, ...]


def templates() -> list[str]:
    """Sentences with slots for names."""
    return (WRITTEN / "templates.txt").read_text(encoding="utf-8").splitlines()


def compose(written: list[str], times: int, seed: int) -> list[Example]:
    """Each template filled so many times; the same seed fills them with the same names."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    return [_fill(rng, template) for _ in range(times) for template in written]


def _fill(rng: random.Random, template: str) -> Example:
    text, entities, at = "", [], 0
    for slot in SLOT.finditer(template):
        text += template[at : slot.start()]
        kind, name = _name(rng, slot[1])
        entities.append(Entity(kind, len(text), len(text) + len(name)))
        text, at = text + name, slot.end()
    return Example(text + template[at:], tuple(entities))


def _name(rng: random.Random, slot: str) -> tuple[str, str]:
    """What kind of entity a slot takes, and a name for it."""
    kind, make = SLOTS[slot]
    return kind, make(rng)


def _person(rng: random.Random) -> str:
    given, family = rng.choice(NAMES["given"]), rng.choice(NAMES["family"])
    middle = f"{rng.choice('ABCDEFGHJKLMRSTW')}. "
    return rng.choices(
        (f"{given} {family}", f"{given} {middle}{family}", f"{given} {rng.choice(NAMES['family'])} {family}", family),
        (75, 8, 5, 12),
    )[0]


def _organisation(rng: random.Random) -> str:
    return rng.choice((_company, _company, _school, _one("bodies")))(rng)


def _company(rng: random.Random) -> str:
    family, city = rng.choice(NAMES["family"]), rng.choice(NAMES["cities"])
    suffix = rng.choice(NAMES["suffixes"])
    return rng.choices(
        (
            rng.choice(NAMES["companies"]),
            f"{family} {suffix}",
            f"{family} & {rng.choice(NAMES['family'])}",
            f"{city} {suffix}",
            f"{rng.choice(NAMES['companies'])} {suffix}",
            f"{rng.choice(NAMES['nations'])} {suffix}",
        ),
        (60, 12, 6, 8, 10, 4),
    )[0]


def _school(rng: random.Random) -> str:
    city, family = rng.choice(NAMES["cities"]), rng.choice(NAMES["family"])
    return rng.choice((f"University of {city}", f"{city} University", f"{family} College", f"{city} General Hospital"))


def _one(kind: str) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(NAMES[kind])


def _place(rng: random.Random) -> str:
    return rng.choice(NAMES[rng.choice(("cities", "cities", "countries", "regions"))])


def _club(rng: random.Random) -> str:
    return rng.choice((rng.choice(NAMES["clubs"]), f"{rng.choice(NAMES['cities'])} United"))


def _team(rng: random.Random) -> str:
    return rng.choice(NAMES[rng.choice(("clubs", "cities"))])


SLOTS: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "PER": ("PER", _person),
    "GIVEN": ("PER", _one("given")),
    "FAMILY": ("PER", _one("family")),
    "LOC": ("LOC", _place),
    "CITY": ("LOC", _one("cities")),
    "COUNTRY": ("LOC", _one("countries")),
    "REGION": ("LOC", _one("regions")),
    "ORG": ("ORG", _organisation),
    "COMPANY": ("ORG", _company),
    "BODY": ("ORG", _one("bodies")),
    "SCHOOL": ("ORG", _school),
    "CLUB": ("ORG", _club),
    "TEAM": ("ORG", _team),
    "NATION": ("MISC", _one("nations")),
    "LANGUAGE": ("MISC", _one("languages")),
    "EVENT": ("MISC", _one("events")),
    "WORK": ("MISC", _one("works")),
    "PRODUCT": ("MISC", _one("products")),
}
"""Kind of entity, and what makes a name, for each slot of the templates."""
