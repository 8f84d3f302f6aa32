"""Whether inputs and answers still look as they did when the model was made: a sequential test for each statistic.

Every statistic of the reference is kept as a histogram. A new value falls into one of its bins; its rank there, 0 to
1, feeds a few bets that pay when ranks are higher, lower, more extreme or more alike than the reference's. A bet pays
``1 + λ (h - c)`` with ``h`` in 0…1 and ``c`` the most that its mean can be without drift: the reference's own mean,
plus what a reference of so few instances may be wrong by (Dvoretzky, Kiefer and Wolfowitz, with Massart's constant). So
no bet gains without drift, and ``M ← (M + 1) · paid``, the recursion of Shiryaev and Roberts over bets, is at most the
number of instances on average. It reaches ``A`` after ``A`` instances on average, or later: an *e-detector* (Shin,
Ramdas and Rinaldo, arXiv 2203.03532). No distribution is assumed. The mean of such detectors is one itself, so that all
bets of ``K`` statistics together keep the run length ``A`` where each statistic alone is held to ``K · A``.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from apps.runtime.handler import Finding
from models.artefact import Artefact

BINS = 32
DISCRETE = 16
"""Values of a statistic up to which each has a bin of its own; beyond, bins hold as many instances each."""

CLASSES = 8
"""Most frequent labels that are counted one by one; the others are counted together."""
OTHER = "class other"

CONFIDENCE = 0.95
"""With which the reference is close enough to what it is a sample of, in all of its statistics at once."""

STAKES = (0.1, 0.3, 0.9)
"""Shares of its all that a bet may lose at once: the small find small shifts, the large find large ones sooner."""

TAIL = 0.1

CLEARED = 0.01
"""Drift is over when the evidence for it has sunk to this share of what made the alarm."""
MOST = 1000.0
"""Times what makes an alarm that evidence may grow to: the sooner it is seen that drift is over."""


class Histogram(BaseModel):
    """A statistic in the reference.

    Attributes:
        edges: inner edges of the bins, rising; a value at an edge belongs above it.
        counts: instances in each bin, one more than there are edges.
    """

    model_config = ConfigDict(frozen=True)

    edges: list[float]
    counts: list[int]


class Reference(BaseModel):
    """What inputs and answers of one version of a model were like.

    Attributes:
        model: its name,
        version: its version,
        digest: and the SHA-256 of its weights, so that no other model is held to it.
        source: what the instances were, for people.
        statistics: by name.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model: str
    version: str
    digest: str
    source: str
    statistics: dict[str, Histogram]

    @classmethod
    def of(cls, artefact: Artefact, source: str, rows: Sequence[tuple[Mapping[str, float], Sequence[Finding]]]) -> Self:
        """From statistics of inputs and findings of answers, one pair an instance."""
        return cls(
            model=artefact.name,
            version=artefact.version,
            digest=digest_of(artefact),
            source=source,
            statistics=histograms(rows),
        )

    @property
    def classes(self) -> list[str]:
        """Labels that are counted one by one."""
        return [name.removeprefix("class ") for name in self.statistics if name.startswith("class ") and name != OTHER]


def file_of(app: str) -> str:
    """What the file of an artefact is called that has an app's reference."""
    return f"drift-{app}.json"


def histograms(rows: Sequence[tuple[Mapping[str, float], Sequence[Finding]]]) -> dict[str, Histogram]:
    """Of statistics of inputs and findings of answers, one pair an instance; by name."""
    seen = Counter(finding.label for _, findings in rows for finding in findings)
    classes = [label for label, _ in seen.most_common(CLASSES)]
    values: dict[str, list[float]] = {}
    for statistics, findings in rows:
        for name, value in measured(statistics, findings, classes).items():
            values.setdefault(name, []).append(value)
    if set(values.get("findings", ())) == {1.0}:  # one answer each: there is nothing to count
        del values["findings"]
    return {name: histogram(found) for name, found in sorted(values.items())}


def digest_of(artefact: Artefact) -> str:
    """SHA-256 of each file of weights."""
    weights = {name: file.sha256 for name, file in artefact.files.items() if name.endswith(f".{artefact.format}")}
    return "+".join(weights[name] for name in sorted(weights))


def measured(statistics: Mapping[str, float], findings: Sequence[Finding], classes: Sequence[str]) -> dict[str, float]:
    """Statistics of an instance and its answer: how many findings, how sure on average, and how many of each class."""
    counts = Counter(finding.label if finding.label in classes else OTHER for finding in findings)
    told = {**statistics, "findings": float(len(findings)), OTHER: float(counts[OTHER])}
    told |= {f"class {label}": float(counts[label]) for label in classes}
    if findings:
        told["confidence"] = sum(finding.score for finding in findings) / len(findings)
    return told


def histogram(values: Sequence[float]) -> Histogram:
    """Bins of equal counts, or one for each of a few values; what lies beyond all of them has bins of its own."""
    different = sorted(set(values))
    if len(different) <= DISCRETE:
        gap = min((b - a for a, b in pairwise(different)), default=1.0)
        edges = [different[0] - gap / 2, *((a + b) / 2 for a, b in pairwise(different)), different[-1] + gap / 2]
    else:
        inner: list[float] = np.quantile(values, np.arange(1, BINS) / BINS).tolist()
        edges = [different[0], *inner, math.nextafter(different[-1], math.inf)]
    edges = sorted({float(f"{edge:.6g}") for edge in edges})
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[bisect_right(edges, value)] += 1
    return Histogram(edges=edges, counts=counts)


def payoffs(reference: Histogram, tolerance: float) -> NDArray[np.float64]:
    """What each bet (row) pays for a value in each bin (column); nothing, where it could gain without drift.

    Args:
        reference: of the statistic.
        tolerance: by how much its distribution function may be wrong.
    """
    counts = np.array(reference.counts, float)
    share = counts / counts.sum()
    rank = np.cumsum(share) - share / 2
    inside = rank[counts > 0]
    low, high = float(inside.min()), float(inside.max())
    up = np.clip((rank - low) / (high - low), 0, 1) if high > low else np.clip((rank - low) * 2, 0, 1)
    down = 1 - up if high > low else np.clip((low - rank) * 2, 0, 1)
    # Each with its total variation: times the tolerance, that is how far the mean may be off.
    shapes = (
        (up, 1),
        (down, 1),
        (rank > 1 - TAIL, 1),
        (rank < TAIL, 1),
        ((rank >= 0.25) & (rank <= 0.75), 2),
    )
    rows = []
    for shape, variation in shapes:
        most = float(shape @ share) + variation * tolerance
        rows += [1 + stake / most * (shape - most) if most < 1 else np.zeros_like(rank) for stake in STAKES]
    return np.array(rows)


def tolerance(instances: int, statistics: int) -> float:
    """By how much empirical distribution functions of so many statistics may be wrong, with ``CONFIDENCE``."""
    return math.sqrt(math.log(2 * statistics / (1 - CONFIDENCE)) / (2 * instances))


class Detector:
    """Watches one version of a model against its reference.

    Attributes:
        classes: labels that are counted one by one.
        names: of the statistics.
        drifting: names of statistics that have drifted, and not come back.
    """

    def __init__(self, reference: Reference, run_length: float) -> None:
        self.classes = reference.classes
        self.drifting: set[str] = set()
        self.names = list(reference.statistics)
        histograms = list(reference.statistics.values())
        count = len(histograms)
        self._alarm = count * run_length
        self._rows = {name: (row, histograms[row].edges) for row, name in enumerate(self.names)}
        paid = [payoffs(each, tolerance(sum(each.counts), count)).T for each in histograms]
        # Statistic, bin, bet; of bins that a statistic does not have, none is ever asked for.
        self._paid = np.zeros((count, max(map(len, paid)), paid[0].shape[1]))
        for row, pays in enumerate(paid):
            self._paid[row, : len(pays)] = pays
        self._wealth = np.zeros((count, self._paid.shape[2]))

    def add(self, values: Mapping[str, float]) -> set[str]:
        """Look at one instance; the statistics that have drifted with it, and had not before."""
        rows: list[int] = []
        bins: list[int] = []
        for name, value in values.items():
            if name in self._rows and math.isfinite(value):
                row, edges = self._rows[name]
                rows.append(row)
                bins.append(bisect_right(edges, value))
        wealth = self._wealth[rows]
        wealth += 1
        wealth *= self._paid[rows, bins]
        self._wealth[rows] = wealth
        return self._judge(rows, (wealth.mean(axis=1) / self._alarm).tolist())

    def evidence(self, name: str) -> float:
        """How much speaks for drift of a statistic: from 0, for nothing, to 1, where it counts as drift, and beyond."""
        return math.log1p(float(self._wealth[self.names.index(name)].mean())) / math.log1p(self._alarm)

    def _judge(self, rows: Sequence[int], evidence: Sequence[float]) -> set[str]:
        new: set[str] = set()
        for row, found in zip(rows, evidence, strict=True):
            name = self.names[row]
            if found > MOST:
                self._wealth[row] *= MOST / found
            if found >= 1 and name not in self.drifting:
                new.add(name)
            elif found < CLEARED and name in self.drifting:
                self.drifting.remove(name)
                self._wealth[row] = 0  # the run begins anew
        self.drifting |= new
        return new
