"""How many pods of an app run."""

from typing import Any

import pytest

from apps.runtime.metrics import Metrics
from tests.infra.serving.rendered import every, manifests, one, running, spec

HOURS = {"time_zone": "Europe/Berlin", "start": "0 7 * * 1-5", "end": "0 19 * * 1-5", "min": 5}
CANARY = {"canary": {"version": "2", "weight": 10}}


def test_cpu_decides_where_nothing_else_is_said() -> None:
    scaler = one(spec(scaling={"min": 3, "max": 10}), "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 10)
    assert scaler["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}


@pytest.mark.parametrize(
    ("by", "metric", "threshold"),
    [("concurrency", "http_server_active_requests", "8"), ("queue", "inference_queue_depth", "4")],
)
def test_keda_decides_by_what_each_pod_has_to_do(by: str, metric: str, threshold: str) -> None:
    asking = spec(scaling={"by": by})
    assert every(asking, "HorizontalPodAutoscaler") == []
    (trigger,) = one(asking, "ScaledObject")["spec"]["triggers"]
    assert trigger["metadata"]["query"] == f'sum({metric}{{namespace="serving",pod=~"echo-stable-.*"}})'
    assert (trigger["metricType"], trigger["metadata"]["threshold"]) == ("AverageValue", threshold)


def test_the_metrics_that_decide_are_those_that_apps_have() -> None:
    metrics = Metrics()
    metrics.model()
    names = {metric.name for metric in metrics.registry.collect()}
    assert {"http_server_active_requests", "inference_queue_depth"} <= names


def test_working_hours_have_more() -> None:
    scaler = one(spec(scaling={"max": 9, "hours": [HOURS]}), "ScaledObject")["spec"]
    cpu, cron = scaler["triggers"]
    assert (cpu["type"], cpu["metadata"]["value"]) == ("cpu", "70")
    assert cron["metadata"] == {
        "timezone": "Europe/Berlin",
        "start": "0 7 * * 1-5",
        "end": "0 19 * * 1-5",
        "desiredReplicas": "5",
    }


def test_without_prometheus_nothing_shrinks() -> None:
    fallback = one(spec(scaling={"by": "queue"}), "ScaledObject")["spec"]["fallback"]
    assert fallback["behavior"] == "currentReplicasIfHigher"


@pytest.mark.parametrize("way", ["standard", "deployment"])
def test_a_stack_that_must_survive_a_node_runs_two(way: str) -> None:
    scaler = one(running(way, scaling={"max": 1}), "HorizontalPodAutoscaler", replicas=2)["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 2)


def test_a_canary_starts_with_one_and_keeps_no_hours() -> None:
    asking = spec(scaling={"min": 3, "max": 9, "hours": [HOURS]}, traffic=CANARY)
    canary = one(asking, "HorizontalPodAutoscaler", "echo-canary", replicas=2)["spec"]
    assert (canary["minReplicas"], canary["maxReplicas"]) == (1, 9)


@pytest.mark.parametrize("way", ["standard", "deployment"])
def test_nodes_go_one_pod_at_a_time(way: str) -> None:
    budget = one(running(way), "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"] == {
        "app.kubernetes.io/name": "echo",
        "app.kubernetes.io/component": "stable",
    }


def test_nobody_else_says_how_many() -> None:
    assert "replicas" not in one(running("deployment"), "Deployment")["spec"]


def test_only_one_thing_scales_a_version() -> None:
    scaling: dict[str, Any] = {"scaling": {"max": 9, "hours": [HOURS], "by": "concurrency"}}
    kinds = [made["kind"] for made in manifests(spec(**scaling))]
    assert kinds.count("ScaledObject") == 1
    assert "HorizontalPodAutoscaler" not in kinds
