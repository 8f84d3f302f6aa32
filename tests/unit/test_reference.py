"""``modelserve reference``: what an app is held to from now on, and what is no reference."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.runtime.drift import Reference
from ops import payloads, reference
from ops.cli import command_line


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with an app and nothing logged."""
    for module in (payloads, reference):
        monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    (tmp_path / "apps" / "detector").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def texts(checkout: Path) -> str:
    """A file with inputs."""
    file = checkout / "texts.jsonl"
    file.write_text('{"text": "good"}\n')
    return str(file)


def log(checkout: Path, count: int, size: float, *, version: str = "1.1.0", shadow: bool = False) -> None:
    """Requests that the detector answered, each with one circle."""
    folder = checkout / ".modelserve" / "local" / "log" / "payloads" / "detector"
    folder.mkdir(parents=True, exist_ok=True)
    instance = {"input": {"statistics": {"size": size}}, "output": [{"label": "circle", "score": 0.9}]}
    told = {"app": "detector", "asked_for": version, "model": "circle_detector", "version": version, "shadow": shadow}
    event = {"id": "r", "type": "modelserve.prediction.v1"}
    line = json.dumps(event | {"data": told | {"duration_ms": 1, "instances": [instance]}}, separators=(",", ":"))
    with (folder / "1.jsonl").open("a") as file:
        file.write(f"{line}\n" * count)


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(command_line(), ["reference", *arguments])
    return done.exit_code, done.output


def test_traffic_becomes_what_later_traffic_is_held_to(checkout: Path) -> None:
    log(checkout, 150, size=1.0)
    assert run("detector")[0] == 0
    made = Reference.model_validate_json((checkout / "apps/detector/drift/circle_detector-1.1.0.json").read_bytes())
    assert (made.model, made.version, made.source) == ("circle_detector", "1.1.0", "150 from the payload log")
    assert sum(made.statistics["size"].counts) == 150


def test_neither_another_version_nor_copies_for_a_canary_are_in_it(checkout: Path) -> None:
    log(checkout, 50, size=9.0, version="1.0.0")
    log(checkout, 50, size=9.0, shadow=True)
    log(checkout, 120, size=1.0)
    assert run("detector")[0] == 0
    made = Reference.model_validate_json((checkout / "apps/detector/drift/circle_detector-1.1.0.json").read_bytes())
    assert made.source.startswith("120 ")


def test_too_few_instances_are_no_reference(checkout: Path) -> None:
    log(checkout, 99, size=1.0)
    code, told = run("detector")
    assert code == 1
    assert "99 instances are too few" in told
    assert not (checkout / "apps" / "detector" / "drift").exists()


def test_an_app_that_is_not_there_is_named_with_those_that_are(texts: str) -> None:
    code, told = run("detektor", "--inputs", texts)
    assert code == 1
    assert "No app detektor" in told
    assert "detector" in told


def test_an_app_whose_model_runs_elsewhere_says_what_to_do_instead(texts: str) -> None:
    code, told = run("bert-sentiment", "--inputs", texts)
    assert code == 1
    assert "leave --inputs out" in told
