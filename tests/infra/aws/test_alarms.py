"""The alarms, without a cloud: what they watch, when they go off, and who hears of it."""

from functools import cache
from typing import Any

from infra.aws.alarms import Alarms, AlarmsArgs
from tests.infra.aws.cloud import Cloud

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"


@cache
def made() -> Cloud:
    cloud = Cloud()

    def program() -> None:
        Alarms("ms", AlarmsArgs("arn:topic", "ms", "cache", 2, "app/ms/1", "targetgroup/ms/1"))

    cloud.run(program)
    return cloud


def alarm(part: str) -> dict[str, Any]:
    return made().named(ALARM, f"ms-{part}")


def test_every_alarm_is_announced_and_so_is_its_end() -> None:
    assert all(a["alarmActions"] == a["okActions"] == ["arn:topic"] for a in made().all(ALARM))


def test_a_disk_alarms_before_it_is_full() -> None:
    disk = alarm("database-disk")
    assert disk["comparisonOperator"] == "LessThanThreshold"
    assert disk["threshold"] == 5 * 1024**3


def test_every_node_of_the_cache_is_watched() -> None:
    assert alarm("cache-memory-1")["dimensions"] == {"CacheClusterId": "cache-001"}
    assert alarm("cache-memory-2")["dimensions"] == {"CacheClusterId": "cache-002"}


def test_a_gateway_that_reports_nothing_counts_as_none() -> None:
    assert alarm("no-gateway")["treatMissingData"] == "breaching"
    assert alarm("no-gateway")["dimensions"] == {"LoadBalancer": "app/ms/1", "TargetGroup": "targetgroup/ms/1"}


def test_no_errors_at_the_edge_are_no_alarm() -> None:
    assert alarm("edge-errors")["treatMissingData"] == "notBreaching"
