"""Payload logs, read back: the events that apps write of their requests."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from infra.local.home import Home
from infra.settings import CHECKOUT


class Finding(BaseModel):
    """One thing that an answer says: ``apps.runtime.handler.Finding``, as it is written down."""

    label: str
    score: float
    span: tuple[int, int] | None = None
    box: tuple[float, float, float, float] | None = None


class Input(BaseModel):
    """What an instance was like."""

    statistics: dict[str, float] = {}


class Instance(BaseModel):
    """One instance of a request, and what was answered."""

    input: Input = Input()
    output: list[Finding]


class Payload(BaseModel):
    """The data of an event."""

    app: str
    asked_for: str
    model: str = ""
    version: str = ""
    shadow: bool = False
    duration_ms: float
    instances: list[Instance]

    @property
    def label(self) -> str:
        """What was asked for as outputs and metrics label it: an alias of a registry is without its sign there."""
        return self.asked_for.removeprefix("@")


class Event(BaseModel):
    """A payload log's event, as ``apps.runtime.payloads`` writes it; only what is read here."""

    id: str
    type: Literal["modelserve.prediction.v1"]
    data: Payload


def read(lines: Iterable[str]) -> Iterable[Event]:
    """The events among lines of a log; of others, there may be any number."""
    for line in lines:
        if '"modelserve.prediction.v1"' in line:
            try:
                # What collects a cluster's logs may have put a time or a name before the line.
                yield Event.model_validate_json(line[line.index("{") :])
            except ValidationError:  # the last line, still being written
                continue


def files(app: str) -> list[Path]:
    """Payload logs of an app on this machine, oldest first."""
    return sorted((Home(str(CHECKOUT / ".modelserve" / "local")).payloads / app).glob("*.jsonl"))


def lines(found: Iterable[Path]) -> Iterator[str]:
    """Their lines."""
    for file in found:
        try:
            with file.open(encoding="utf-8", errors="replace") as opened:
                yield from opened
        except FileNotFoundError:  # an old segment, which made room for a new one
            continue
