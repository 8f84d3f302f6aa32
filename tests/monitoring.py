"""What is asked of Prometheus: every query of the rules and the dashboards, and what it asks for."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from infra.settings import CHECKOUT
from toolchain import environment

MONITORING = CHECKOUT / "monitoring"
ALERTS = sorted((MONITORING / "alerts").glob("*.yaml"))
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.yaml"))

_TEXT = r'"(?:[^"\\]|\\.)*"'
_LABELS = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
_WORDS = {"and", "or", "unless", "bool", "offset"}


def promtool(*arguments: str | Path) -> str:
    """What promtool says; fails where it finds something wrong."""
    told = {**os.environ, **environment.variables(os.environ)}
    ran = subprocess.run(["promtool", *map(str, arguments)], env=told, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def rules(file: Path) -> list[dict[str, Any]]:
    """The rules of a file."""
    told: dict[str, Any] = yaml.safe_load(file.read_text())
    return [rule for group in told["groups"] for rule in group["rules"]]


def panels(file: Path) -> list[dict[str, Any]]:
    """The panels of a dashboard, as its file says them."""
    told: dict[str, Any] = yaml.safe_load(file.read_text())
    return [panel for row in told["rows"] for panel in row["panels"]]


def queries() -> Iterator[tuple[str, str]]:
    """Where each query stands, and the query, with something in the place of Grafana's variables."""
    for file in ALERTS:
        for rule in rules(file):
            yield f"{file.name}: {rule.get('alert') or rule['record']}", rule["expr"]
    for file in DASHBOARDS:
        for panel in panels(file):
            for query in panel["queries"].values():
                known = query.replace("$__rate_interval", "5m").replace("$app", ".+")
                yield f"{file.name}: {panel['title']}", known


def metrics(query: str) -> set[str]:
    """The names of the metrics that a query asks for."""
    for what in (_TEXT, r"\{[^}]*\}", r"\[[^\]]*\]", _LABELS):
        query = re.sub(what, " ", query)
    return set(re.findall(r"\b[a-zA-Z_:][\w:]*\b(?!\s*\()", query)) - _WORDS


def selected(query: str) -> dict[str, set[str]]:
    """By metric, the labels that a query selects it by."""
    found: dict[str, set[str]] = {}
    for metric, matchers in re.findall(r"([a-zA-Z_:][\w:]*)\{((?:[^}\"]|" + _TEXT + r")*)\}", query):
        found.setdefault(metric, set()).update(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(_TEXT, "", matchers)))
    return found


def grouped(query: str) -> set[str]:
    """The labels that a query keeps or joins by."""
    return {label for part in re.findall(_LABELS, query) for label in re.findall(r"\w+", part.partition("(")[2])}
