"""What rules and dashboards ask for is what somebody exports, by the names and labels that it has there."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families

from apps.images.measures import Measures
from apps.runtime.observe import PROBES
from tests.apps.conftest import serving
from tests.apps.doubler import app_for, settings_for
from tests.monitoring import ALERTS, MONITORING, grouped, metrics, queries, rules, selected

KUBE_STATE_METRICS = "https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics/workload"
NODE_EXPORTER = "https://github.com/prometheus/node_exporter#enabled-by-default"
CADVISOR = "https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md"
DCGM = "https://github.com/NVIDIA/dcgm-exporter/blob/main/etc/default-counters.csv"
OF_OTHERS = {
    "up": "https://prometheus.io/docs/concepts/jobs_instances/",
    "istio_requests_total": "https://istio.io/latest/docs/reference/config/metrics/",
    "kube_deployment_spec_replicas": KUBE_STATE_METRICS,
    "kube_deployment_status_condition": KUBE_STATE_METRICS,
    "kube_deployment_status_replicas_available": KUBE_STATE_METRICS,
    "kube_pod_container_resource_limits": KUBE_STATE_METRICS,
    "kube_pod_container_resource_requests": KUBE_STATE_METRICS,
    "kube_pod_container_status_restarts_total": KUBE_STATE_METRICS,
    "container_cpu_usage_seconds_total": CADVISOR,
    "container_memory_working_set_bytes": CADVISOR,
    "node_cpu_seconds_total": NODE_EXPORTER,
    "node_filesystem_avail_bytes": NODE_EXPORTER,
    "node_filesystem_size_bytes": NODE_EXPORTER,
    "node_memory_MemAvailable_bytes": NODE_EXPORTER,
    "node_memory_MemTotal_bytes": NODE_EXPORTER,
    "DCGM_FI_DEV_FB_USED": DCGM,
    "DCGM_FI_DEV_GPU_TEMP": DCGM,
    "DCGM_FI_DEV_GPU_UTIL": DCGM,
}
"""Metrics that are not our apps', each with where its exporter states it."""

OF_TARGETS = {"app", "role", "revision", "instance", "job"}
"""Labels that Prometheus itself puts on what it reads from apps: stacks/local.py, infra/platform/monitoring.py."""

pytestmark = pytest.mark.anyio


def names(family: Metric) -> set[str]:
    """What Prometheus calls the series of a family."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
    return {family.name + ending for ending in endings}


async def page(store: Path) -> str:
    """``/metrics`` of an app with a model, after requests of which one is wrong."""
    settings = settings_for(store)
    async with serving("doubler", app_for(settings), settings) as client:
        await client.post("/v1/models/doubler:predict", json={"instances": [1.0, -1.0]})
        await client.post("/v1/models/doubler:predict", json={})
        return (await client.get("/metrics")).text


async def exported(store: Path) -> dict[str, Metric]:
    registry = CollectorRegistry()
    registry.register(Measures().registry)
    families = [*text_string_to_metric_families(await page(store)), *registry.collect()]
    return {name: family for family in families for name in names(family)}


async def test_every_metric_that_is_asked_for_is_one_that_somebody_exports(store: Path) -> None:
    recorded = {rule["record"] for file in ALERTS for rule in rules(file) if "record" in rule}
    known = {*await exported(store), *OF_OTHERS, *recorded}
    asked = {where: metrics(query) - known for where, query in queries()}
    assert {where: unknown for where, unknown in asked.items() if unknown} == {}


async def test_no_foreign_metric_is_listed_that_nobody_asks_for() -> None:
    assert OF_OTHERS.keys() - {metric for _, query in queries() for metric in metrics(query)} == set()


async def test_metrics_of_apps_are_selected_by_labels_that_they_have(store: Path) -> None:
    had = {
        name: {label for one in family.samples if one.name == name for label in one.labels}
        for name, family in (await exported(store)).items()
        if family.samples
    }
    for where, query in queries():
        for metric, labels in selected(query).items():
            assert metric not in had or labels <= had[metric] | OF_TARGETS, where


async def test_labels_that_queries_keep_are_those_of_some_metric(store: Path) -> None:
    had = {label for family in (await exported(store)).values() for one in family.samples for label in one.labels}
    elsewhere = {"namespace", "pod", "container", "deployment", "response_code", "mode", "statistic", "reason"}
    for where, query in queries():
        assert grouped(query) <= had | OF_TARGETS | elsewhere, where


async def test_what_machines_ask_counts_as_no_request_and_what_callers_ask_does(store: Path) -> None:
    settings = settings_for(store)
    async with serving("doubler", app_for(settings), settings) as client:
        for path in (*PROBES, "/openapi.json", "/docs", "/redoc", "/model/info"):
            await client.get(path)
        await client.post("/model/reload")
        aside = routes((await client.get("/metrics")).text)
    asked = routes(await page(store)) | {"unmatched"}  # where load is shed, before any route
    [rule] = [
        each for each in rules(MONITORING / "alerts" / "requests.yaml") if "requests:rate5m" in each.get("record", "")
    ]
    [pattern] = re.findall(r'http_route!~"(.+?)"', rule["expr"])
    assert aside >= PROBES
    assert [route for route in aside if not re.fullmatch(pattern, route)] == []
    assert [route for route in asked if re.fullmatch(pattern, route)] == []


def routes(text: str) -> set[str]:
    """The routes that a page of metrics knows."""
    families = text_string_to_metric_families(text)
    return {one.labels["http_route"] for family in families for one in family.samples if "http_route" in one.labels}
