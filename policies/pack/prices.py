"""What AWS asks for an hour of a machine, by region, with the day on which somebody read it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent.parent / "prices.json"


@dataclass(frozen=True)
class Price:
    """What an hour costs on demand.

    Attributes:
        usd: US dollars.
        date: when it was read, ``2026-09-04``; empty for one that the settings give.
    """

    usd: float
    date: str = ""


@cache
def groups() -> list[Mapping[str, Any]]:
    """Prices of a region with one source: ``region``, ``source``, ``date`` and ``usd_an_hour`` by kind."""
    return json.loads(FILE.read_text())


@cache
def listed() -> Mapping[tuple[str, str], Price]:
    """Every price of the file, by region and kind."""
    return {
        (group["region"], kind): Price(usd, group["date"])
        for group in groups()
        for kind, usd in group["usd_an_hour"].items()
    }
