"""Rotation: what its function may do, and what it does with a secret at each step."""

import json
from functools import cache
from typing import Any
from unittest.mock import Mock

import pytest

from infra.aws.rotate import Event, rotate
from infra.aws.rotation import Rotation, RotationArgs
from tests.infra.aws.cloud import Cloud

SECRETS = {"cache": "arn:secret:cache", "session": "arn:secret:session"}


@cache
def made() -> Cloud:
    cloud = Cloud()
    args = RotationArgs(
        "123456789012", "eu-central-1", SECRETS, SECRETS["cache"], "group", "arn:secrets-key", "arn:log-key"
    )
    cloud.run(lambda: Rotation("ms-rotation", args).function_arn)
    return cloud


def test_every_secret_changes_each_month() -> None:
    rotations = made().all("aws:secretsmanager/secretRotation:SecretRotation")
    assert {r["secretId"] for r in rotations} == set(SECRETS.values())
    assert all(r["rotationRules"] == {"automaticallyAfterDays": 30} for r in rotations)


def test_no_secret_changes_while_the_stack_comes_up() -> None:
    assert not any(r["rotateImmediately"] for r in made().all("aws:secretsmanager/secretRotation:SecretRotation"))


def test_only_secrets_manager_of_this_account_calls_the_function() -> None:
    permission = made().only("aws:lambda/permission:Permission")
    assert (permission["principal"], permission["sourceAccount"]) == ("secretsmanager.amazonaws.com", "123456789012")


def test_the_function_touches_these_secrets_and_this_cache_alone() -> None:
    statements = json.loads(made().only("aws:iam/rolePolicy:RolePolicy")["policy"])["Statement"]
    everywhere = [s["Action"] for s in statements if "*" in s["Resource"]]
    assert everywhere == [["secretsmanager:GetRandomPassword"]]
    assert statements[0]["Resource"] == list(SECRETS.values())
    assert statements[3]["Resource"] == ["arn:aws:elasticache:eu-central-1:123456789012:replicationgroup:group"]


def test_no_value_is_in_the_functions_environment() -> None:
    variables = made().only("aws:lambda/function:Function")["environment"]["variables"]
    assert variables == {"CACHE_SECRET_ARN": "arn:secret:cache", "CACHE_GROUP": "group"}


class NotFoundError(Exception):
    """What Secrets Manager answers for a version without a value."""


def step(
    name: str, secret: str = SECRETS["cache"], stages: dict[str, list[str]] | None = None, made: bool = True
) -> tuple[Any, Any]:
    secrets, elasticache = Mock(), Mock()
    secrets.describe_secret.return_value = {"VersionIdsToStages": stages or {}}
    secrets.get_random_password.return_value = {"RandomPassword": "next"}
    secrets.exceptions.ResourceNotFoundException = NotFoundError
    secrets.get_secret_value.side_effect = [{"SecretString": "pending"}] if made else NotFoundError
    event: Event = {"Step": name, "SecretId": secret, "ClientRequestToken": "v2"}
    rotate(event, secrets, elasticache, SECRETS["cache"], "group")
    return secrets, elasticache


def test_a_new_value_waits_until_it_works() -> None:
    secrets, _ = step("createSecret", made=False)
    assert secrets.put_secret_value.call_args.kwargs["VersionStages"] == ["AWSPENDING"]


def test_a_step_that_comes_twice_makes_no_second_value() -> None:
    secrets, _ = step("createSecret", made=True)
    assert not secrets.put_secret_value.called


def test_the_cache_takes_the_new_token_and_still_knows_the_old_one() -> None:
    _, elasticache = step("setSecret")
    changed = elasticache.modify_replication_group.call_args.kwargs
    assert changed["AuthToken"] == "pending"
    assert changed["AuthTokenUpdateStrategy"] == "ROTATE"


def test_the_new_token_counts_only_once_the_cache_has_it() -> None:
    _, elasticache = step("testSecret")
    elasticache.get_waiter.return_value.wait.assert_called_once_with(ReplicationGroupId="group")


def test_another_secret_leaves_the_cache_alone() -> None:
    for name in ("setSecret", "testSecret"):
        _, elasticache = step(name, SECRETS["session"])
        assert not elasticache.method_calls


def test_at_the_end_the_new_value_is_the_current_one() -> None:
    secrets, _ = step("finishSecret", stages={"v1": ["AWSCURRENT"], "v2": ["AWSPENDING"]})
    moved = secrets.update_secret_version_stage.call_args.kwargs
    assert (moved["MoveToVersionId"], moved["RemoveFromVersionId"]) == ("v2", "v1")


def test_an_end_that_comes_twice_moves_nothing() -> None:
    secrets, _ = step("finishSecret", stages={"v1": [], "v2": ["AWSCURRENT"]})
    assert not secrets.update_secret_version_stage.called


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(ValueError, match="no step 'deleteSecret'"):
        step("deleteSecret")
