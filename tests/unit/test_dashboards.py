"""Dashboards: what their files say is what Grafana can show."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.platform.dashboards import SOURCE, WIDTH, dashboard, dashboards
from tests.monitoring import DASHBOARDS, panels, promtool, queries

EACH = pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
# https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats/categories.ts
UNITS = {"short", "reqps", "ops", "s", "percent", "percentunit", "bytes", "mbytes", "celsius"}
UID_LIMIT = 40
"""Of Grafana's, for uids of dashboards."""
CONFIG_MAP_LIMIT_BYTES = 1024 * 1024
"""Of Kubernetes', for all data of a ConfigMap."""


def shown(file: Path) -> list[dict[str, Any]]:
    """The panels that Grafana gets, without the titles of rows."""
    return [panel for panel in dashboard(file)["panels"] if panel["type"] != "row"]


def test_there_is_one_for_each_subject() -> None:
    assert {file.stem for file in DASHBOARDS} == {"api", "business", "drift", "resources", "rollouts"}


def test_prometheus_takes_every_query(tmp_path: Path) -> None:
    asked = [{"record": f"query_{i}", "expr": query, "labels": {"of": where}} for i, (where, query) in _numbered()]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": asked}]}))
    assert "SUCCESS" in promtool("check", "rules", tmp_path / "queries.yaml")


def _numbered() -> list[tuple[int, tuple[str, str]]]:
    return list(enumerate(queries()))


@EACH
def test_every_panel_has_a_title_and_a_unit_that_grafana_knows(file: Path) -> None:
    for panel in shown(file):
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["type"] in {"timeseries", "table"}


@EACH
def test_every_query_reaches_grafana_with_its_legend(file: Path) -> None:
    for told, panel in zip(panels(file), shown(file), strict=True):
        assert {each["legendFormat"]: each["expr"] for each in panel["targets"]} == told["queries"]
        assert len({each["refId"] for each in panel["targets"]}) == len(told["queries"])


@EACH
def test_every_panel_asks_the_prometheus_of_the_chart(file: Path) -> None:
    for panel in shown(file):
        assert [panel["datasource"], *(each["datasource"] for each in panel["targets"])] == [
            SOURCE,
            *[SOURCE] * len(panel["targets"]),
        ]


@EACH
def test_panels_have_numbers_of_their_own_and_do_not_cover_each_other(file: Path) -> None:
    made = dashboard(file)["panels"]
    assert len({panel["id"] for panel in made}) == len(made)
    for one in (panel["gridPos"] for panel in made):
        assert 0 < one["w"] <= WIDTH - one["x"]
    for one, other in combinations([panel["gridPos"] for panel in made], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_no_two_have_the_same_uid() -> None:
    uids = [dashboard(file)["uid"] for file in DASHBOARDS]
    assert len(set(uids)) == len(uids)
    assert max(map(len, uids)) <= UID_LIMIT


def test_each_fits_into_a_config_map() -> None:
    for made in dashboards("observability"):
        [(name, text)] = made["data"].items()
        assert len(text.encode()) < CONFIG_MAP_LIMIT_BYTES
        assert json.loads(text)["uid"] == f"modelserve-{name.removesuffix('.json')}"
