"""What a training may be told, and which network may be served."""

import math
from pathlib import Path

import pytest
import yaml

from models.road.config import DEFAULT, ConfigError, Gate, read
from models.road.gate import METRIC, refusal

GATE = Gate(accuracy=0.95)


def config(folder: Path, **told: object) -> Path:
    """The default config with other values; None leaves a key out."""
    merged = yaml.safe_load(DEFAULT.read_text()) | told
    (folder / "config.yaml").write_text(yaml.safe_dump({key: value for key, value in merged.items() if value != None}))  # noqa: E711
    return folder / "config.yaml"


def test_the_default_is_taken() -> None:
    assert read().gate.accuracy >= 0.95


def test_an_unknown_key_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"learning_rate is no key\.\n  There are: version, seed, size, .*rate"):
        read(config(tmp_path, learning_rate=0.1))


def test_so_is_one_of_a_section(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gate\.f1 is no key\.\n  There are: accuracy\."):
        read(config(tmp_path, gate={"accuracy": 0.9, "f1": 0.9}))


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seed is missing"):
        read(config(tmp_path, seed=None))


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("size", 50, "multiple of 32"),
        ("rate", 0, "greater than 0"),
        ("version", "1.0", "should match"),
        ("epochs", "x", "integer"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(key: str, value: object, allowed: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"config\.yaml: {key} is '{value}'\.\n.*{allowed}"):
        read(config(tmp_path, **{key: value}))


def test_what_is_no_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("- a list")
    with pytest.raises(ConfigError, match="the whole is"):
        read(tmp_path / "config.yaml")


def test_a_good_network_may_be_the_first() -> None:
    assert refusal({METRIC: 0.95}, None, GATE) is None


def test_one_as_good_as_the_present_may_take_its_place() -> None:
    assert refusal({METRIC: 0.97}, {METRIC: 0.97}, GATE) is None


def test_a_worse_one_may_not() -> None:
    assert "below the 0.98 of what is in production" in str(refusal({METRIC: 0.97}, {METRIC: 0.98}, GATE))


def test_one_below_the_gate_may_not_even_where_the_present_is_worse() -> None:
    assert "below 0.95" in str(refusal({METRIC: 0.94}, {METRIC: 0.5}, GATE))


@pytest.mark.parametrize("metrics", [{}, {METRIC: math.nan}])
def test_one_that_was_not_measured_may_not(metrics: dict[str, float]) -> None:
    assert refusal(metrics, None, GATE)
