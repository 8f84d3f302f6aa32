"""Which artefacts must be in the store before the apps start."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.serving.artefacts import needed
from tests.infra.serving.rendered import spec
from tests.unit.bucket import written


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of this machine with two versions of a model and another model."""
    for place in ("toy/1.0.0", "toy/2.0.0", "spare/1.0.0"):
        written(tmp_path / place)
    monkeypatch.setattr("infra.serving.artefacts.default_stores", lambda: (tmp_path,))
    return tmp_path


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "info", told.append)
    return told


def places(*specs: Any) -> list[str]:
    return [f"{each.name}/{each.version}" for each in needed(specs).values()]


TOY = {"name": "toy", "version": "1.0.0", "alternative": {"name": "spare", "version": "1.0.0"}}
FAR = {**TOY, "name": "far"}


def test_a_model_that_is_here_goes_without_its_alternative(here: Path, said: list[str]) -> None:
    assert places(spec(model=TOY)) == ["toy/1.0.0"]
    assert said == []


def test_a_canary_goes_too(here: Path) -> None:
    canary = spec(model=TOY, traffic={"canary": {"version": "2.0.0", "weight": 10}})
    assert places(canary) == ["toy/1.0.0", "toy/2.0.0"]


def test_what_is_not_here_is_taken_to_be_there_and_its_alternative_goes(here: Path, said: list[str]) -> None:
    assert places(spec(model=FAR)) == ["spare/1.0.0"]
    assert said == ["Not on this machine, so taken to be in the artefact store already: far 1.0.0"]


def test_what_two_apps_serve_goes_once(here: Path) -> None:
    assert places(spec(model=TOY), spec(name="other", model=TOY)) == ["toy/1.0.0"]


def test_an_app_without_a_model_needs_nothing(here: Path, said: list[str]) -> None:
    assert places(spec(model=None)) == []
    assert said == []


def test_a_broken_artefact_stops_the_run_before_anything_is_made(here: Path) -> None:
    (here / "toy" / "1.0.0" / "model.onnx").write_bytes(b"Weights")
    with pytest.raises(pulumi.RunError, match="SHA-256"):
        needed([spec(model=TOY)])
