"""Alerting rules: each is taken by Prometheus' own tool, has a test that fires it, and a line in the manual."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings import CHECKOUT
from tests.monitoring import ALERTS, MONITORING, promtool, rules

TESTS = sorted((MONITORING / "tests").glob("*.yaml"))


def alerts(file: Path) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules(file) if "alert" in rule}


def seen(file: Path) -> dict[str, str]:
    """What the tests of a file see of each alert, look by look: 1 for an alert that fires, 0 for one that does not."""
    told: dict[str, Any] = yaml.safe_load(file.read_text())
    looks: dict[str, str] = {}
    for test in told["tests"]:
        for case in test.get("alert_rule_test", ()):
            name = case["alertname"]
            looks[name] = looks.get(name, "") + ("1" if case.get("exp_alerts") else "0")
    return looks


def test_prometheus_takes_all_of_them() -> None:
    assert "SUCCESS" in promtool("check", "rules", *ALERTS)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_they_fire_when_their_tests_say_so(file: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", file)


@pytest.mark.parametrize("file", ALERTS, ids=lambda file: file.stem)
def test_every_alert_has_a_test_in_which_it_does_not_fire_then_fires_then_ends(file: Path) -> None:
    looks = seen(MONITORING / "tests" / file.name)
    assert alerts(file).keys() == looks.keys()
    assert [name for name, look in looks.items() if "010" not in look] == []


@pytest.mark.parametrize("file", ALERTS, ids=lambda file: file.stem)
def test_every_alert_says_what_it_is_how_bad_and_what_to_do(file: Path) -> None:
    for name, rule in alerts(file).items():
        assert rule["annotations"].keys() == {"summary", "description"}, name
        # A severity may be told by what it is about.
        words = set(re.findall(r"info|warning|critical", rule["labels"]["severity"]))
        assert words, name


def test_the_manual_has_each_alert_with_its_severity() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|", (CHECKOUT / "docs" / "alerts.md").read_text(), re.MULTILINE)
    told = {name: set(re.findall(r"info|warning|critical", severity)) for name, severity in rows}
    made = {name: rule for file in ALERTS for name, rule in alerts(file).items()}
    assert told == {
        name: set(re.findall(r"info|warning|critical", rule["labels"]["severity"])) for name, rule in made.items()
    }
