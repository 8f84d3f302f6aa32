"""The budget, without a cloud: what it counts, and who hears of it."""

import json
from functools import cache
from typing import Any

import pytest

from infra.aws.budget import Budget, BudgetArgs
from tests.infra.aws.cloud import Cloud


def args(**changes: Any) -> BudgetArgs:
    given: dict[str, Any] = {"monthly_usd": 800, "emails": ("team@example.com",)} | changes
    return BudgetArgs("123456789012", tag=("project", "modelserve"), kms_key_arn="arn:key", **given)


@cache
def made() -> Cloud:
    cloud = Cloud()
    cloud.run(lambda: Budget("ms", args()).topic_arn)
    return cloud


def test_only_what_carries_our_tag_counts() -> None:
    budget = made().only("aws:budgets/budget:Budget")
    assert (budget["limitAmount"], budget["limitUnit"], budget["timeUnit"]) == ("800", "USD", "MONTHLY")
    assert budget["costFilters"] == [{"name": "TagKeyValue", "values": ["user:project$modelserve"]}]


def test_it_is_said_before_the_money_is_spent() -> None:
    notices = made().only("aws:budgets/budget:Budget")["notifications"]
    assert {(n["notificationType"], n["threshold"]) for n in notices} == {
        ("ACTUAL", 50),
        ("ACTUAL", 80),
        ("ACTUAL", 100),
        ("FORECASTED", 100),
    }


def test_people_hear_of_it() -> None:
    subscription = made().only("aws:sns/topicSubscription:TopicSubscription")
    assert (subscription["protocol"], subscription["endpoint"]) == ("email", "team@example.com")


def test_announcements_are_encrypted() -> None:
    assert made().only("aws:sns/topic:Topic")["kmsMasterKeyId"] == "arn:key"


def test_only_aws_services_for_this_account_announce() -> None:
    (statement,) = json.loads(made().only("aws:sns/topicPolicy:TopicPolicy")["policy"])["Statement"]
    assert set(statement["Principal"]) == {"Service"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_unusual_costs_of_the_stack_are_watched() -> None:
    monitor = made().only("aws:costexplorer/anomalyMonitor:AnomalyMonitor")
    assert json.loads(monitor["monitorSpecification"]) == {"Tags": {"Key": "project", "Values": ["modelserve"]}}


@pytest.mark.parametrize(("key", "value"), [("monthly_usd", 0), ("emails", ())])
def test_a_budget_that_nobody_minds_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=key):
        args(**{key: value})
