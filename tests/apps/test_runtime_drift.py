"""The watch for drift: how long it stays quiet without any, how soon it speaks, and what it says then."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from apps.runtime import drifting, server, watch
from apps.runtime.drift import Detector, Reference, digest_of, histogram, measured, payoffs, tolerance
from apps.runtime.handler import Finding
from models.artefact import Artefact
from models.store import default_stores, resolve
from tests.apps.conftest import running, serving
from tests.apps.doubler import app_for, settings_for, write_doubler
from tests.apps.shadowed import Stable

V1 = "/v1/models/doubler:predict"


def reference(**values: NDArray[np.float64]) -> Reference:
    statistics = {name: histogram(found.tolist()) for name, found in values.items()}
    return Reference(model="m", version="1", digest="", source="drawn", statistics=statistics)


def normal(seed: int, count: int, mean: float = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(mean, 1, count)


def instances_to_alarm(detector: Detector, values: NDArray[np.float64], name: str = "x") -> int | None:
    for number, value in enumerate(values.tolist(), 1):
        if detector.add({name: value}):
            return number
    return None


@pytest.mark.parametrize(
    "values",
    [normal(1, 500), np.repeat([0.0, 1.0], [450, 50]), np.zeros(300), np.arange(400.0) % 3, normal(2, 120) ** 2],
    ids=["continuous", "rare class", "constant", "few values", "skewed"],
)
def test_no_bet_gains_from_whatever_the_reference_may_be_a_sample_of(values: NDArray[np.float64]) -> None:
    made = histogram(values.tolist())
    share = np.array(made.counts) / len(values)
    allowed = tolerance(len(values), 1)
    paid = payoffs(made, allowed)
    assert (paid >= 0).all()
    order = np.cumsum(share)[:-1]  # the distribution function at the edges; at the end it is 1
    higher, lower = np.clip(order - allowed, 0, 1), np.clip(order + allowed, 0, 1)
    middle = np.where(order < 0.5, higher, lower)  # what is low is higher, and what is high is lower
    for worst in (np.diff(function, prepend=0, append=1) for function in (order, higher, lower, middle)):
        assert worst.sum() == pytest.approx(1)
        assert (paid @ worst <= 1 + 1e-9).all()


def test_the_run_length_without_drift_is_kept_by_all_statistics_together() -> None:
    """The mean of 20 runs of a detector that may alarm once in 100, cut short: the true mean is higher."""
    run_length, most = 100, 300
    lengths: list[int] = []
    for seed in range(20):
        rng = np.random.default_rng((7, seed))
        known = reference(x=rng.normal(size=400), y=rng.normal(size=400), z=rng.random(400).round())
        detector = Detector(known, run_length)
        rows = np.stack([rng.normal(size=most), rng.normal(size=most), rng.random(most).round()], axis=1).tolist()
        told = (dict(zip("xyz", row, strict=True)) for row in rows)
        lengths.append(next((number for number, row in enumerate(told, 1) if detector.add(row)), most))
    assert np.mean(lengths) > run_length


@pytest.mark.parametrize(("shift", "within"), [(4.0, 20), (2.0, 60), (1.0, 200)])
def test_a_larger_shift_is_found_sooner(shift: float, within: int) -> None:
    found = instances_to_alarm(Detector(reference(x=normal(1, 1000)), 1e7), normal(2, 2000, shift))
    assert found is not None
    assert found <= within


def test_values_that_grow_more_alike_are_found() -> None:
    assert instances_to_alarm(Detector(reference(x=normal(1, 1000)), 1e7), normal(2, 2000) / 10)


def test_values_that_were_never_there_are_found() -> None:
    assert instances_to_alarm(Detector(reference(x=np.zeros(300)), 1e7), np.ones(100))


def test_a_shift_below_what_the_reference_can_tell_is_left_alone() -> None:
    assert instances_to_alarm(Detector(reference(x=normal(1, 120)), 1e7), normal(2, 5000, 0.1)) is None


def test_drift_is_over_when_values_are_what_they_were_and_may_come_again() -> None:
    detector = Detector(reference(x=normal(1, 1000)), 1e5)
    assert instances_to_alarm(detector, normal(2, 200, 3))
    assert detector.drifting == {"x"}
    assert detector.evidence("x") >= 1
    assert instances_to_alarm(detector, normal(3, 3000)) is None
    assert detector.drifting == set()
    assert detector.evidence("x") < 0.5
    assert instances_to_alarm(detector, normal(4, 200, 3))


def test_what_is_no_number_and_what_no_reference_has_are_passed_over() -> None:
    detector = Detector(reference(x=normal(1, 200)), 1e5)
    assert detector.add({"x": float("nan"), "new": 1.0}) == set()
    assert detector.add({}) == set()


def test_findings_are_counted_by_class_and_rare_labels_together() -> None:
    findings = [Finding("cat", 0.5), Finding("cat", 0.7), Finding("gnu", 0.6)]
    told = measured({"brightness": 0.4}, findings, ["cat", "dog"])
    assert told == pytest.approx(
        {"brightness": 0.4, "findings": 3, "confidence": 0.6, "class cat": 2, "class dog": 0, "class other": 1}
    )


def test_an_answer_without_findings_has_no_confidence() -> None:
    assert "confidence" not in measured({}, [], ["cat"])


@pytest.fixture
def referenced(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store whose doubler has a reference of small numbers; the file."""
    monkeypatch.setattr(drifting, "APPS", tmp_path / "apps")
    rows = [({"size": float(number % 10)}, [Finding("positive", 0.9)]) for number in range(1000)]
    made = Reference.of(Artefact.load(store / "doubler" / "1.0.0"), "numbers below 10", rows)
    file = tmp_path / "apps" / "doubler" / "drift" / "doubler-1.0.0.json"
    file.parent.mkdir(parents=True)
    file.write_text(made.model_dump_json())
    return file


@pytest.fixture
def brought(store: Path, referenced: Path) -> Path:
    """The same reference, in the artefact and not with the app; where the app's own would be."""
    reference = Reference.model_validate_json(referenced.read_bytes())
    referenced.unlink()
    shutil.rmtree(store / "doubler" / "1.0.0")
    write_doubler(store, more={"drift-doubler.json": reference.model_dump_json().encode()})
    return referenced


def change(file: Path, **members: object) -> None:
    told = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(told | members))


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy with other tests, too, all instances are looked at."""
    monkeypatch.setattr(watch, "CAPACITY", 1000)


async def metrics_after(store: Path, *asked: float, **settings: Any) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Drift's metrics once these were asked and the app has left, which sees to what is left first; and its log."""
    told = settings_for(store, **settings)
    app = app_for(told, handler=Stable)
    served = server.build("doubler", app, told)
    with capture_logs() as lines:
        async with running(served) as client:
            assert app.model
            await app.model.loading
            for number in asked:
                assert (await client.post(V1, json={"instances": [number]})).is_success
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served.asgi), base_url="http://app") as client:
        page = (await client.get("/metrics")).text
    found = (line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("modelserve_drift"))
    return {name: float(value) for name, value in found}, [dict(line) for line in lines]


@pytest.mark.anyio
async def test_larger_numbers_than_ever_are_said_in_metrics_and_log(store: Path, referenced: Path) -> None:
    metrics, lines = await metrics_after(store, *[500.0] * 40)
    by = '{statistic="size",version="1.0.0"}'
    assert metrics[f"modelserve_drift_detected{by}"] == 1
    assert metrics[f"modelserve_drift_alarms_total{by}"] == 1
    assert metrics[f"modelserve_drift_evidence{by}"] >= 1
    [line] = [line for line in lines if line["event"] == "drift"]
    assert (line["statistic"], line["model"], line["version"]) == ("size", "doubler", "1.0.0")
    assert metrics['modelserve_drift_detected{statistic="confidence",version="1.0.0"}'] == 0


@pytest.mark.anyio
async def test_usual_numbers_are_no_drift(store: Path, referenced: Path) -> None:
    metrics, lines = await metrics_after(store, *[float(number * 7 % 10) for number in range(40)])
    detected = {value for name, value in metrics.items() if name.startswith("modelserve_drift_detected")}
    assert detected == {0}
    assert not [line for line in lines if line["event"] == "drift"]


@pytest.mark.anyio
async def test_without_a_reference_nothing_is_watched_and_the_log_says_so(store: Path) -> None:
    metrics, lines = await metrics_after(store, 1.0)
    assert not [name for name in metrics if name.startswith("modelserve_drift_detected")]
    assert [line["reason"] for line in lines if line["event"] == "drift is not watched"] == ["no reference"]


@pytest.mark.anyio
async def test_a_reference_of_other_weights_is_not_used(store: Path, referenced: Path) -> None:
    change(referenced, digest="0" * 64)
    metrics, lines = await metrics_after(store, 500.0)
    assert not [name for name in metrics if name.startswith("modelserve_drift_detected")]
    [line] = [line for line in lines if line["event"] == "drift is not watched"]
    assert line["reason"] == "doubler-1.0.0.json is of other weights"


@pytest.mark.anyio
async def test_a_version_that_brings_a_reference_is_held_to_it(store: Path, brought: Path) -> None:
    metrics, lines = await metrics_after(store, *[500.0] * 40)
    assert metrics['modelserve_drift_detected{statistic="size",version="1.0.0"}'] == 1
    assert not [line for line in lines if line["event"] == "drift is not watched"]


@pytest.mark.anyio
async def test_a_reference_that_the_app_was_given_goes_before_what_the_version_brings(
    store: Path, brought: Path
) -> None:
    rows = [({"size": 500.0 + number % 10}, [Finding("positive", 0.9)]) for number in range(1000)]
    made = Reference.of(Artefact.load(store / "doubler" / "1.0.0"), "numbers from 500", rows)
    change(brought, **made.model_dump())
    metrics, _ = await metrics_after(store, *[500.0 + number for number in range(10)] * 4)
    assert metrics['modelserve_drift_detected{statistic="size",version="1.0.0"}'] == 0


@pytest.mark.anyio
async def test_a_reference_that_cannot_be_read_fails_no_request(store: Path, referenced: Path) -> None:
    change(referenced, statistics="none")
    _, lines = await metrics_after(store, 1.0)
    assert "drift is not watched" in {line["event"] for line in lines if line["log_level"] == "error"}


@pytest.mark.anyio
async def test_it_can_be_switched_off(store: Path, referenced: Path) -> None:
    metrics, _ = await metrics_after(store, 1.0, drift_run_length=0)
    assert metrics == {}


def test_a_new_version_begins_with_nothing_against_it(referenced: Path, store: Path) -> None:
    artefact = Artefact.load(store / "doubler" / "1.0.0")
    registry = CollectorRegistry()
    drift = drifting.Drift("doubler", settings_for(store), registry)
    drift.serve(((artefact, store),))
    drift.see(artefact, [({"size": 500.0}, [])] * 40)
    by = {"statistic": "size", "version": "1.0.0"}
    assert registry.get_sample_value("modelserve_drift_detected", by) == 1
    drift.serve(((artefact, store),))  # a reload that changes nothing
    assert registry.get_sample_value("modelserve_drift_detected", by) == 1
    drift.serve(())
    assert registry.get_sample_value("modelserve_drift_detected", by) is None
    drift.serve(((artefact, store),))
    assert registry.get_sample_value("modelserve_drift_detected", by) == 0


@pytest.mark.anyio
async def test_instances_that_nobody_looks_at_are_counted_whether_payloads_are_logged_or_not(
    store: Path, referenced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def hang(_: Stable, instance: float) -> dict[str, float]:
        go_on.wait(30)
        return {"size": instance}

    monkeypatch.setattr(Stable, "statistics", hang)
    monkeypatch.setattr(watch, "CAPACITY", 3)
    told = settings_for(store)
    async with serving("doubler", app_for(told, handler=Stable), told) as client:
        try:
            page = ""
            while "modelserve_drift_evidence{" not in page:
                page = (await client.get("/metrics")).text
            for number in range(10):
                assert (await client.post(V1, json={"instances": [number]})).is_success
            page = (await client.get("/metrics")).text
        finally:
            go_on.set()
    assert 'modelserve_drift_dropped_total{reason="queue-full",version="1.0.0"} 7.0' in page


@pytest.mark.anyio
async def test_an_instance_that_cannot_be_described_is_counted(
    store: Path, referenced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stable, "statistics", lambda _self, instance: {"size": 1 / instance})
    # What is logged is noted also before the reference has been read.
    logged = {"payload_sample": 1, "payload_folder": store / "payloads"}
    metrics, _ = await metrics_after(store, 0.0, 2.0, **logged)
    assert metrics['modelserve_drift_dropped_total{reason="failed",version="1.0.0"}'] == 1


REFERENCES = sorted(drifting.APPS.glob("*/drift/*.json"))


@pytest.mark.parametrize("file", REFERENCES, ids=[file.parents[1].name for file in REFERENCES])
def test_a_reference_that_is_committed_is_of_the_model_that_is_served(file: Path) -> None:
    made = Reference.model_validate_json(file.read_bytes())
    assert file.name == f"{made.model}-{made.version}.json"
    artefact = Artefact.load(resolve(made.model, made.version, default_stores()))
    assert made.digest == digest_of(artefact)
    assert Detector(made, 1e7).add(dict.fromkeys(made.statistics, 0.0)) == set()


def test_apps_with_data_to_be_held_to_have_a_reference() -> None:
    assert {file.parents[1].name for file in REFERENCES} >= {"bert-sentiment", "detector", "ner", "sentiment"}
