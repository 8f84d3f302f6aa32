"""Answers of a canary to copies of requests, laid beside those that stable gave."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ops.payloads import Event, Finding, Payload

IOU = 0.5
"""Boxes that overlap so much are the same object: the threshold of PASCAL VOC and COCO's AP50."""

EXAMPLES = 10
Z = 1.959964
"""Of the normal distribution, for an interval of 95 %."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the model being asked to its answer, waiting included: half, 95 and 99 of 100 took less."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Difference:
    """How far the canary's scores are from stable's, of what both found; 0 to 1."""

    mean: float
    p95: float
    max: float


@dataclass(frozen=True)
class Disagreement:
    """A request that they answered differently; of each instance, the labels found and how often: ``2 PER, LOC``."""

    id: str
    stable: list[str]
    canary: list[str]


@dataclass(frozen=True)
class Report:
    """A canary beside stable.

    Attributes:
        compared: requests that both answered and logged.
        stable_only: requests of which the canary logged no copy.
        canary_only: copies whose original stable did not log.
        agreed: requests of which every instance got the same answer: the same label; or the same objects or names, each
            with the same label at the same place.
        agreement: their share.
        low: lower end of its interval of 95 % (Wilson's).
        high: its upper end.
        overlap: share of all that either found which both found (Dice's coefficient); the same as ``agreement`` where
            an instance has one label.
        score: difference of scores; none where they agree on nothing.
        stable_ms: latency of stable.
        canary_ms: latency of the canary.
        ratio: the canary's p50, p95 and p99 by stable's.
        disagreements: some requests that they answered differently.
    """

    compared: int
    stable_only: int
    canary_only: int
    agreed: int
    agreement: float
    low: float
    high: float
    overlap: float
    score: Difference | None
    stable_ms: Latency
    canary_ms: Latency
    ratio: Latency
    disagreements: list[Disagreement]


def compare(events: Iterable[Event], stable: str, canary: str) -> Report | None:
    """Lay answers of two versions side by side; nothing where they have no request in common.

    Args:
        events: of one app.
        stable: label of the version that one of them was asked to serve,
        canary: and the other.
    """
    answers: dict[str, dict[str, Payload]] = {stable: {}, canary: {}}
    for event in events:
        if event.data.label in answers:
            answers[event.data.label][event.id] = event.data
    ours, theirs = answers[stable], answers[canary]
    both = [one for one in ours if one in theirs]
    if not both:
        return None
    matched = {one: _matched(ours[one], theirs[one]) for one in both}
    differ = [one for one in both if len(matched[one]) < _most(ours[one], theirs[one])]
    agreed = len(both) - len(differ)
    low, high = wilson(agreed, len(both))
    found = sum(_count(ours[one]) + _count(theirs[one]) for one in both)
    gaps = [abs(a.score - b.score) for pairs in matched.values() for a, b in pairs]
    mine = _latency([ours[one].duration_ms for one in both])
    other = _latency([theirs[one].duration_ms for one in both])
    return Report(
        compared=len(both),
        stable_only=len(ours) - len(both),
        canary_only=len(theirs) - len(both),
        agreed=agreed,
        agreement=agreed / len(both),
        low=low,
        high=high,
        overlap=2 * sum(map(len, matched.values())) / found if found else 1.0,
        score=Difference(statistics.fmean(gaps), percentile(gaps, 95), max(gaps)) if gaps else None,
        stable_ms=mine,
        canary_ms=other,
        ratio=Latency(other.p50 / mine.p50, other.p95 / mine.p95, other.p99 / mine.p99),
        disagreements=[Disagreement(one, _labels(ours[one]), _labels(theirs[one])) for one in differ[:EXAMPLES]],
    )


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The interval of 95 % for a share (Wilson, 1927): sensible also near 0 and 1, where shares of canaries are."""
    share, more = hits / trials, Z * Z / trials
    centre = (share + more / 2) / (1 + more)
    half = Z * math.sqrt(share * (1 - share) / trials + more / (4 * trials)) / (1 + more)
    return max(0.0, centre - half), min(1.0, centre + half)


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many per cent of all do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def iou(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes: x, y, width, height."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (one[2] * one[3] + other[2] * other[3] - width * height)


def pairs(ours: Sequence[Finding], theirs: Sequence[Finding]) -> list[tuple[Finding, Finding]]:
    """What both found: the same label at the same place, each once; boxes that overlap most go together."""
    close = sorted(
        (
            (-near, first, second)
            for first, a in enumerate(ours)
            for second, b in enumerate(theirs)
            if a.label == b.label and (near := _nearness(a, b)) >= IOU
        )
    )
    taken: dict[int, int] = {}
    for _, first, second in close:
        if first not in taken and second not in taken.values():
            taken[first] = second
    return [(ours[first], theirs[second]) for first, second in taken.items()]


def _nearness(one: Finding, other: Finding) -> float:
    if one.box and other.box:
        return iou(one.box, other.box)
    return float(one.span == other.span and one.box == other.box)


def _matched(ours: Payload, theirs: Payload) -> list[tuple[Finding, Finding]]:
    together = zip(ours.instances, theirs.instances, strict=False)
    return [pair for a, b in together for pair in pairs(a.output, b.output)]


def _count(payload: Payload) -> int:
    return sum(len(one.output) for one in payload.instances)


def _most(ours: Payload, theirs: Payload) -> int:
    """What both would have found of whatever either found, did they agree."""
    return max(_count(ours), _count(theirs))


def _labels(payload: Payload) -> list[str]:
    found = (Counter(finding.label for finding in one.output) for one in payload.instances)
    return [", ".join(f"{n} {label}" if n > 1 else label for label, n in counts.items()) for counts in found]


def _latency(values: Sequence[float]) -> Latency:
    return Latency(*(percentile(values, percent) for percent in (50, 95, 99)))
