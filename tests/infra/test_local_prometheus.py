"""Prometheus on one machine: what it is told, and when that makes it start anew."""

from pathlib import Path

import pytest
import yaml

from infra.local.home import Home, LocalError
from infra.local.prometheus import PrometheusProvider, configuration, targets_folder

HOME = Home("/home/of/nobody")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("prometheus", "promtool"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def command(rules: str = "", retention: str = "3d") -> tuple[str, ...]:
    return PrometheusProvider().program(HOME, 20000, {"rules": rules, "retention": retention}).command


def test_targets_are_files_that_it_watches() -> None:
    told = yaml.safe_load(configuration(HOME, 20000, ""))
    [watched] = [job for job in told["scrape_configs"] if "file_sd_configs" in job]
    assert watched["file_sd_configs"] == [{"files": [f"{targets_folder(HOME)}/*.json"]}]


def test_it_listens_on_the_loopback_interface(tools: None) -> None:
    assert "--web.listen-address=127.0.0.1:20000" in command()


def test_changed_rules_start_it_anew(tools: None, tmp_path: Path) -> None:
    rules = tmp_path / "alerts.yaml"
    rules.write_text("groups: []")
    before = command(str(tmp_path))
    assert command(str(tmp_path)) == before
    rules.write_text("groups: [{name: other, rules: []}]")
    assert command(str(tmp_path)) != before


def test_a_missing_prometheus_is_said_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LocalError, match=r"(?s)prometheus is not on PATH.*make setup"):
        command()
