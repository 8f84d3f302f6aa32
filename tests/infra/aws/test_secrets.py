"""The secrets, without a cloud: how they begin, and who gets to see them."""

import asyncio
from functools import cache

import pulumi
import pytest

from infra.aws.secrets import Secrets, SecretsArgs
from tests.infra.aws.cloud import Cloud

ENTRY = "aws:secretsmanager/secret:Secret"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"


def args(recovery_days: int = 30) -> SecretsArgs:
    return SecretsArgs({"cache": "token of the cache"}, "arn:key", recovery_days)


@cache
def made(recovery_days: int = 30) -> Cloud:
    cloud = Cloud()
    cloud.run(lambda: Secrets("ms", args(recovery_days), cloud.opts).arns["cache"])
    return cloud


def test_nobody_chooses_a_secret() -> None:
    password = made().only("random:index/randomPassword:RandomPassword")
    assert password["length"] == 40
    assert not password["special"]
    assert made().only(VERSION)["secretString"]["value"] == "generated"


def test_a_secret_rests_under_our_key() -> None:
    assert made().only(ENTRY)["kmsKeyId"] == "arn:key"


def test_a_deleted_secret_can_be_brought_back() -> None:
    assert made(30).only(ENTRY)["recoveryWindowInDays"] == 30


def test_a_small_stack_leaves_no_deleted_secret_that_blocks_its_name() -> None:
    assert made(0).only(ENTRY)["recoveryWindowInDays"] == 0


def test_the_first_value_does_not_come_back_after_rotations() -> None:
    assert "FIRST" in made().only(VERSION)["versionStages"]
    assert all(options.ignore_changes == ["versionStages"] for options in made().option(VERSION))


def test_a_value_is_a_secret_to_the_engine() -> None:
    secret: list[bool] = []

    def program() -> pulumi.Output[str]:
        value = Secrets("ms", args()).first_values["cache"]
        asyncio.ensure_future(value.is_secret()).add_done_callback(lambda done: secret.append(done.result()))
        return value

    Cloud().run(program)
    assert secret == [True]


def test_a_recovery_that_aws_does_not_offer_is_refused() -> None:
    with pytest.raises(ValueError, match="give 7 to 30, or 0"):
        args(recovery_days=3)
