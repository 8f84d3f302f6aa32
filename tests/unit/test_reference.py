"""``modelserve reference``: what an app is held to from now on, and what is no reference."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apps.runtime.drift import Reference
from ops import payloads, reference
from ops.cli import command_line
from stacks.outputs import Deployment
from tests.apps.pictures import noise, picture
from tests.apps.road import write_road
from tests.unit.mlflow import Tracking


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


def test_an_app_that_is_not_there_has_no_log_either() -> None:
    code, told = run("detektor")
    assert code == 1
    assert "No app detektor" in told


@pytest.mark.parametrize("line", ["no JSON", "[1]", '{"sentence": "good"}', "7"])
def test_inputs_that_are_no_texts_are_said_with_their_line(checkout: Path, line: str) -> None:
    file = checkout / "wrong.jsonl"
    file.write_text(f'{{"text": "good"}}\n{line}\n')
    code, told = run("sentiment", "--inputs", str(file))
    assert code == 1
    assert "wrong.jsonl, line 2" in told
    assert 'Give on each line {"text": "…"}' in told


def test_inputs_that_are_not_there_are_named() -> None:
    code, told = run("sentiment", "--inputs", "nowhere.jsonl")
    assert code == 2
    assert "nowhere.jsonl" in told


def test_a_picture_given_for_lines_is_refused(checkout: Path) -> None:
    file = checkout / "road.jpg"
    file.write_bytes(noise())
    code, told = run("road", "--inputs", str(file))
    assert code == 1
    assert "road.jpg cannot be read" in told


def test_a_version_that_no_store_has_any_more_is_said(checkout: Path) -> None:
    log(checkout, 150, size=1.0, version="0.0.1")
    code, told = run("detector")
    assert code == 1
    assert "No circle_detector 0.0.1" in told


def test_a_version_that_the_registry_of_the_stack_has_is_asked_and_described(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path_factory.mktemp("registry")
    monkeypatch.setenv("MODELSERVE_CACHE", str(root / "cache"))
    (checkout / "apps" / "road").mkdir()
    pictures = checkout / "pictures"
    (pictures / "of-another-year").mkdir(parents=True)
    for number in range(100):
        (pictures / f"{number}.png").write_bytes(picture(colour=(number, number, 2 * number)))
    registry = Tracking()
    try:
        registry.register(write_road(root / "made", "1.0.0+aaaa"))
        told = Deployment(gateway="", services={"mlflow": registry.store.removeprefix("mlflow+")})
        monkeypatch.setattr(reference, "read_deployment", lambda _stack: told)
        code, said = run("road", "--inputs", str(pictures))
    finally:
        registry.end()
    assert code == 0, said
    made = Reference.model_validate_json((checkout / "apps/road/drift/road-1.0.0+aaaa.json").read_bytes())
    assert (made.version, sum(made.statistics["brightness"].counts)) == ("1.0.0+aaaa", 100)


def test_an_app_whose_model_runs_elsewhere_says_what_to_do_instead(texts: str) -> None:
    code, told = run("bert-sentiment", "--inputs", texts)
    assert code == 1
    assert "leave --inputs out" in told
