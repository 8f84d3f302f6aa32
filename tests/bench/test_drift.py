"""The watch for drift, measured: false alarms, how soon drift is found, and what looking costs.

``pytest -m bench tests/bench/test_drift.py -s`` makes the numbers of ``docs/drift.md``.
"""

import base64
import io
import json
import statistics
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from apps.runtime import pictures, texts
from apps.runtime.drift import Detector, Reference, histogram, measured, payoffs, tolerance
from apps.runtime.drifting import APPS, Described
from apps.runtime.handler import Finding
from apps.runtime.settings import Settings
from models.artefact import Artefact
from models.bert.embedding import Embedding
from models.circle_detector.draw import HELD_OUT, draw
from models.circle_detector.evaluate import SIZES
from models.minilm.text import Pieces
from models.road import camera
from models.road import draw as road
from models.store import default_stores, resolve
from ops.reference import answered
from tests.bench.conftest import Table

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

RUN_LENGTH = Settings.model_fields["drift_run_length"].default
RUNS = 100
PICTURES = 120
MODELS = Path(__file__).parents[2] / "models"

GERMAN = (
    "Das Essen war ausgezeichnet und die Bedienung sehr freundlich.",
    "Leider ist das Gerät schon nach zwei Wochen kaputtgegangen.",
    "Wir haben uns in dem kleinen Hotel am See sehr wohl gefühlt.",
    "Der Film war langweilig, und nach einer Stunde sind wir gegangen.",
    "Die Lieferung kam pünktlich an, und alles war sorgfältig verpackt.",
    "Für diesen Preis hätte ich deutlich bessere Qualität erwartet.",
    "Angela Merkel traf sich in Brüssel mit den Vertretern der Kommission.",
    "Am Bahnhof von Köln warteten hunderte Reisende auf den Zug nach Hamburg.",
)


class Streams:
    """Many runs of one detector side by side, each on instances that are drawn at random from given ones."""

    def __init__(self, reference: Reference) -> None:
        count = len(reference.statistics)
        self.reference = reference
        self._paid = [payoffs(each, tolerance(sum(each.counts), count)).T for each in reference.statistics.values()]

    def binned(self, rows: Sequence[Described]) -> NDArray[np.int64]:
        """Instance x statistic: its bin; -1 where an instance has no such statistic."""
        found = [measured(*row, self.reference.classes) for row in rows]
        return np.array(
            [
                [bisect_right(each.edges, row[name]) if name in row else -1 for row in found]
                for name, each in self.reference.statistics.items()
            ]
        ).T

    def lengths(self, bins: NDArray[np.int64], run_length: float, most: int) -> NDArray[np.int64]:
        """Instances to the first alarm of each of ``RUNS`` runs; ``most`` + 1 where there is none until then."""
        rng = np.random.default_rng(3)
        wealth = [np.zeros((RUNS, paid.shape[1])) for paid in self._paid]
        alarm = len(wealth) * run_length
        lengths = np.full(RUNS, most + 1)
        for number in range(1, most + 1):
            drawn = bins[rng.integers(0, len(bins), RUNS)]
            for column, (have, paid) in enumerate(zip(wealth, self._paid, strict=True)):
                there = drawn[:, column] >= 0
                have[there] = (have[there] + 1) * paid[drawn[there, column]]
                over = (have.mean(axis=1) >= alarm) & (lengths > most)
                lengths[over] = number
            if (lengths <= most).all():
                break
        return lengths


def rows_of(app: str, instances: Sequence[object]) -> list[Described]:
    """What the app makes of these."""
    found = [one for event in answered(app, instances) for one in event.data.instances]
    return [(one.input.statistics, [Finding(each.label, each.score) for each in one.output]) for one in found]


def sentences(model: str) -> list[str]:
    """Those that the model is held out from."""
    lines = (MODELS / model / "holdout" / "sentences.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def longer(given: Sequence[str]) -> list[str]:
    """Three texts in one."""
    return [" ".join((a, b, c)) for a, b, c in zip(given[::3], given[1::3], given[2::3], strict=False)]


def reference_of(app: str) -> Reference:
    """The committed one."""
    [file] = (APPS / app / "drift").glob("*.json")
    return Reference.model_validate_json(file.read_bytes())


def made_of(app: str, rows: Sequence[Described]) -> Reference:
    """Another one, of the same model."""
    known = reference_of(app)
    return Reference.of(Artefact.load(resolve(known.model, known.version, default_stores())), "half", rows)


def encoded(pixels: NDArray[np.uint8]) -> dict[str, str]:
    """A picture as requests carry it."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return {"b64": base64.b64encode(stream.getvalue()).decode()}


def blurred(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2)))


def found(lengths: NDArray[np.int64], most: int) -> str:
    """How soon the drift of these runs was found."""
    if (lengths > most).mean() > 0.05:
        return f"within {most:,} instances in {(lengths <= most).mean():.0%} of the runs"
    return f"after {np.median(lengths):.0f} instances in half of the runs, {np.quantile(lengths, 0.95):.0f} in 95 %"


@pytest.mark.parametrize("instances", [1_000, 100_000])
def test_run_length_without_drift(table: Table, instances: int) -> None:
    """Eight statistics; the reference is a sample of the same as what comes."""
    rng = np.random.default_rng(5)
    known = {f"s{number}": histogram(rng.normal(size=instances).tolist()) for number in range(8)}
    streams = Streams(Reference(model="m", version="1", digest="", source="", statistics=known))
    fresh = [
        ({f"s{number}": float(value) for number, value in enumerate(row)}, []) for row in rng.normal(size=(20_000, 8))
    ]
    bins = streams.binned(fresh)
    most = 10_000
    lengths = streams.lengths(bins, 1_000, most)
    early, mean = (lengths <= most).mean(), float(np.minimum(lengths, most).mean())
    table.add(
        f"drift, no false alarm in 1,000 instances stated, reference of {instances:,}",
        f"mean over {mean:,.0f}; {early:.0%} of the runs had one in {most:,}",
        "over 1,000",
        mean > 1_000,
    )
    lengths = streams.lengths(bins, RUN_LENGTH, most)
    table.add(f"drift, as served, reference of {instances:,}", f"{(lengths <= most).sum()} alarms in {RUNS * most:,}")
    assert (lengths <= most).sum() <= 5


@pytest.mark.parametrize(("app", "other"), [("sentiment", "ner"), ("ner", "sentiment")])
def test_texts(table: Table, app: str, other: str) -> None:
    held_out = sentences(app)
    rows = rows_of(app, held_out)
    order = np.random.default_rng(1).permutation(len(rows))
    halves = [[rows[index] for index in half] for half in np.array_split(order, 2)]
    most = 10_000
    half = Streams(made_of(app, halves[0]))
    lengths = half.lengths(half.binned(halves[1]), RUN_LENGTH, most)
    table.add(
        f"drift, {app}, one half of the held-out texts against the other",
        f"{(lengths <= most).sum()} alarms in {RUNS * most:,}",
    )
    lengths = half.lengths(half.binned(halves[1]), 1_000, most)
    mean = float(np.minimum(lengths, most).mean())
    table.add(f"drift, {app}, the same with 1,000 stated", f"mean over {mean:,.0f}", "over 1,000", mean > 1_000)
    whole = Streams(reference_of(app))
    shifts = {
        "texts three times as long": rows_of(app, longer(held_out)),
        "German": rows_of(app, GERMAN),
        f"other subjects, the texts of {other}": rows_of(app, sentences(other)),
    }
    if app == "sentiment":
        negative = [row for row in rows if row[1][0].label == "NEGATIVE"]
        positive = [row for row in rows if row[1][0].label == "POSITIVE"]
        shifts["bad reviews alone"] = negative
        shifts["four bad reviews of five"] = negative[:96] + positive[:24]
        shifts["three bad reviews of five"] = negative[:96] + positive[:64]
    for name, shifted in shifts.items():
        table.add(f"drift, {app}, {name}", found(whole.lengths(whole.binned(shifted), RUN_LENGTH, most), most))


def circles(index: int) -> NDArray[np.uint8]:
    """A picture behind those that the reference is of."""
    return draw(HELD_OUT, 5000 + index, *SIZES[index % len(SIZES)]).pixels


def roads(index: int) -> NDArray[np.uint8]:
    """A picture of another seed than the reference's, 77."""
    return road.draw(camera.HELD_OUT, 78, index).pixels


@pytest.mark.parametrize(
    ("app", "drawn", "mix", "of_mix"),
    [
        ("detector", circles, "pictures with two circles at most", lambda findings: len(findings) <= 2),
        ("road", roads, "wet roads alone", lambda findings: findings[0].label == "wet"),
    ],
    ids=["detector", "road"],
)
def test_pictures(
    table: Table,
    app: str,
    drawn: Callable[[int], NDArray[np.uint8]],
    mix: str,
    of_mix: Callable[[Sequence[Finding]], bool],
) -> None:
    pixels = [drawn(index) for index in range(PICTURES)]
    streams, most = Streams(reference_of(app)), 10_000
    rows = rows_of(app, [encoded(each) for each in pixels])
    lengths = streams.lengths(streams.binned(rows), RUN_LENGTH, most)
    table.add(f"drift, {app}, other drawn pictures", f"{(lengths <= most).sum()} alarms in {RUNS * most:,}")
    shifts = {
        name: rows_of(app, [encoded(change(each)) for each in pixels])
        for name, change in {
            "pictures at 60 % of the light": lambda given: (given * 0.6).astype(np.uint8),
            "pictures at 85 % of the light": lambda given: (given * 0.85).astype(np.uint8),
            "pictures blurred by 2 pixels": blurred,
        }.items()
    }
    shifts[mix] = [row for row in rows if of_mix(row[1])]
    for name, shifted in shifts.items():
        table.add(f"drift, {app}, {name}", found(streams.lengths(streams.binned(shifted), RUN_LENGTH, most), most))


def microseconds(work: Callable[[], object], times: int = 2000) -> float:
    """Median: others share the machine."""
    taken: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6


def test_cost_of_an_instance(table: Table) -> None:
    rng = np.random.default_rng(1)
    tensor = rng.normal(size=(3, 224, 224)).astype(np.float32)
    large = rng.integers(0, 255, (3, 512, 512)).astype(np.uint8)
    pieces = Pieces(rng.integers(1000, 30000, 40), [(0, 1)] * 40, list(range(40)))
    known = reference_of("sentiment")
    folder = resolve(known.model, known.version, default_stores())
    embedding = Embedding.of(Artefact.load(folder), folder)
    detector, findings = Detector(known, 1e7), [Finding("POSITIVE", 0.9)]
    told = texts.statistics(pieces, embedding)
    for what, work in {
        "statistics of a picture of 224 x 224": lambda: pictures.statistics(tensor, (0.2,) * 3),
        "statistics of a picture of 512 x 512": lambda: pictures.statistics(large, (0.2,) * 3),
        "statistics of a text of 40 word pieces": lambda: texts.statistics(pieces, embedding),
        f"the test of its {len(known.statistics)} statistics": lambda: detector.add(
            measured(told, findings, detector.classes)
        ),
    }.items():
        took_us = microseconds(work)
        table.add(f"drift, {what}", f"{took_us:.0f} µs", "≤ 100 µs", took_us <= 100)
