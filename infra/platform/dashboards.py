"""Dashboards of Grafana, one for each file of ``monitoring/dashboards``: what a file says, in the words of Grafana.

A file has a ``title``, what it is ``about``, and ``rows`` of ``panels``, which share a row's width. A panel has a
``title``, a ``unit`` as Grafana knows them, ``queries`` (PromQL by the legend of their lines), perhaps what it is
``about``, and a ``kind``: ``timeseries`` where nothing else is said. ``$app`` in a query is what is chosen at the top.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import yaml

from infra.kubernetes import Manifest

FOLDER = Path(__file__).parents[2] / "monitoring" / "dashboards"
LABEL = "grafana_dashboard"
"""By which Grafana's side-car finds the ConfigMaps."""
SOURCE = {"type": "prometheus", "uid": "prometheus"}
"""The chart's own."""
WIDTH, HEIGHT = 24, 8
"""Of Grafana's grid, and of a panel."""
SCHEMA = 39
"""Of the model that this writes; Grafana moves it forward when it reads an older one than its own."""

Told = Mapping[str, Any]


def dashboards(namespace: str) -> list[Manifest]:
    """The ConfigMaps that Grafana takes its dashboards from."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"dashboard-{file.stem}", "namespace": namespace, "labels": {LABEL: "1"}},
            "data": {f"{file.stem}.json": json.dumps(dashboard(file), separators=(",", ":"))},
        }
        for file in sorted(FOLDER.glob("*.yaml"))
    ]


def dashboard(file: Path) -> dict[str, Any]:
    """One dashboard as Grafana stores it."""
    # The parser in C, as every preview reads it.
    told: Told = yaml.load(file.read_bytes(), yaml.CSafeLoader)
    return {
        "uid": f"modelserve-{file.stem}",
        "title": told["title"],
        "description": told["about"],
        "tags": ["modelserve"],
        "schemaVersion": SCHEMA,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        # From one dashboard to the others, with what was chosen.
        "links": [
            {
                "type": "dashboards",
                "title": "modelserve",
                "tags": ["modelserve"],
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": [_APP]},
        "panels": _panels(told["rows"]),
    }


def _panels(rows: list[Told]) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": row["title"], "gridPos": place, "panels": []})
        width = WIDTH // len(row["panels"])
        for column, panel in enumerate(row["panels"]):
            place = {"x": column * width, "y": y + 1, "w": width, "h": HEIGHT}
            panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel)})
        y += 1 + HEIGHT
    return panels


def _panel(told: Told) -> dict[str, Any]:
    kind = told.get("kind", "timeseries")
    now = {"instant": True, "format": "table"} if kind == "table" else {}
    return {
        "type": kind,
        "title": told["title"],
        "description": told.get("about", ""),
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": told["unit"]}, "overrides": []},
        "targets": [
            {"refId": letter, "datasource": SOURCE, "expr": query, "legendFormat": legend, **now}
            for letter, (legend, query) in zip(ascii_uppercase, told["queries"].items(), strict=False)
        ],
    }


_APP: dict[str, Any] = {
    "name": "app",
    "label": "App",
    "type": "query",
    "datasource": SOURCE,
    "query": {"query": 'label_values(up{role!=""}, app)', "refId": "app"},
    # Apps come and go with the range that is shown.
    "refresh": 2,
    "sort": 1,
    "multi": True,
    "includeAll": True,
    "allValue": ".+",
    "current": {"text": "All", "value": "$__all"},
}
