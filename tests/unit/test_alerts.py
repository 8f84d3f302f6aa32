"""Alerting rules: each is taken by Prometheus' own tool, and each has a test that fires it."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings import CHECKOUT
from toolchain import environment

MONITORING = CHECKOUT / "monitoring"
TESTS = sorted((MONITORING / "tests").glob("*.yaml"))


def promtool(*arguments: str | Path) -> str:
    """What promtool says; fails where it finds something wrong."""
    told = {**os.environ, **environment.variables(os.environ)}
    ran = subprocess.run(["promtool", *map(str, arguments)], env=told, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def alerts(file: Path) -> set[str]:
    told: dict[str, Any] = yaml.safe_load(file.read_text())
    return {rule["alert"] for group in told["groups"] for rule in group["rules"] if "alert" in rule}


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
    assert "SUCCESS" in promtool("check", "rules", *sorted((MONITORING / "alerts").glob("*.yaml")))


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_they_fire_when_their_tests_say_so(file: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", file)


@pytest.mark.parametrize("file", sorted((MONITORING / "alerts").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_alert_has_a_test_in_which_it_does_not_fire_then_fires_then_ends(file: Path) -> None:
    looks = seen(MONITORING / "tests" / file.name)
    assert alerts(file) == looks.keys()
    assert [name for name, look in looks.items() if "010" not in look] == []
