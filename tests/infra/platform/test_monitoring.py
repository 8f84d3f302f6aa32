"""Who hears of alerts, and what Grafana shows, on clusters without one."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.platform.dashboards import LABEL, SOURCE
from infra.platform.monitoring import CHART
from infra.platform.namespace import METRICS
from infra.platform.notices import ACCOUNT
from tests.infra.platform.cluster import PROD, RELEASE, ROLE, Watched, dev, prod
from tests.monitoring import DASHBOARDS

BOTH = pytest.mark.parametrize("cluster", [dev, prod], ids=["dev", "prod"])


def values(cluster: Watched) -> dict[str, Any]:
    [chart] = [one for one in cluster.releases().values() if one["chart"] == CHART.name]
    return chart["values"]


def spec() -> dict[str, Any]:
    return prod().object("AlertmanagerConfig", "notices")["spec"]


def dashboards(cluster: Watched) -> list[dict[str, Any]]:
    return [one for one in cluster.objects("ConfigMap") if LABEL in one["metadata"].get("labels", {})]


@BOTH
def test_grafana_finds_every_dashboard(cluster: Callable[[], Watched]) -> None:
    told = values(cluster())["grafana"]["sidecar"]["dashboards"]
    assert told["enabled"]
    assert told["label"] == LABEL
    found = {name for one in dashboards(cluster()) for name in one["data"]}
    assert found == {f"{file.stem}.json" for file in DASHBOARDS}


@BOTH
def test_dashboards_wait_for_the_chart(cluster: Callable[[], Watched]) -> None:
    for one in dashboards(cluster()):
        made = ("kubernetes:core/v1:ConfigMap", f"monitoring-{one['metadata']['name']}")
        assert one["metadata"]["namespace"] == METRICS
        assert cluster().waits(made, (RELEASE, "monitoring"))


@BOTH
def test_dashboards_ask_the_prometheus_that_the_chart_gives_grafana(cluster: Callable[[], Watched]) -> None:
    # The chart's default source has this uid; another one of ours must not take it.
    assert SOURCE["uid"] == "prometheus"
    assert SOURCE["uid"] not in {one["uid"] for one in values(cluster())["grafana"]["additionalDataSources"]}
    for one in dashboards(cluster()):
        [text] = one["data"].values()
        assert {each["datasource"]["uid"] for each in json.loads(text)["panels"] if each["type"] != "row"} == {
            "prometheus"
        }


def test_without_a_topic_nobody_is_called() -> None:
    assert dev().objects("AlertmanagerConfig") == []
    assert values(dev())["alertmanager"]["serviceAccount"]["annotations"] == {}


def test_alertmanager_publishes_on_the_topic_with_its_own_role() -> None:
    [receiver] = spec()["receivers"]
    [topic] = receiver["snsConfigs"]
    assert (topic["topicARN"], topic["sigv4"]) == (PROD.topic_arn, {"region": "eu-central-1"})
    assert topic["sendResolved"]
    account = values(prod())["alertmanager"]["serviceAccount"]
    assert account["name"] == ACCOUNT
    assert account["annotations"] == {"eks.amazonaws.com/role-arn": ROLE.format(f"observability-{ACCOUNT}")}


def test_routes_hold_for_alerts_of_every_namespace() -> None:
    told = values(prod())["alertmanager"]["alertmanagerSpec"]
    assert told["alertmanagerConfigMatcherStrategy"] == {"type": "None"}


def test_what_is_critical_and_what_is_a_warning_is_sent_and_nothing_else() -> None:
    assert spec()["route"]["matchers"] == [{"name": "severity", "matchType": "=~", "value": "critical|warning"}]


def test_alerts_come_together_by_what_they_are_and_whose_they_are() -> None:
    assert spec()["route"]["groupBy"] == ["alertname", "app"]


def test_what_is_critical_is_said_again_sooner() -> None:
    [critical] = spec()["route"]["routes"]
    assert critical["matchers"] == [{"name": "severity", "matchType": "=", "value": "critical"}]
    assert (critical["repeatInterval"], spec()["route"]["repeatInterval"]) == ("4h", "24h")
    assert {critical["receiver"], spec()["route"]["receiver"]} == {one["name"] for one in spec()["receivers"]}


def test_warnings_are_kept_back_while_the_same_app_has_something_critical_and_of_no_app_never() -> None:
    [rule] = spec()["inhibitRules"]
    assert rule["equal"] == ["app"]
    assert {"name": "app", "matchType": "=~", "value": ".+"} in rule["sourceMatch"]
    assert rule["targetMatch"] == [{"name": "severity", "matchType": "=", "value": "warning"}]
