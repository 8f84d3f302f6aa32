"""The keys, without a cloud: who may use each, and who may not."""

import json
from functools import cache
from typing import Any

import pytest

from infra.aws.encryption import Encryption, EncryptionArgs
from tests.infra.aws.cloud import Cloud

KEY = "aws:kms/key:Key"
PURPOSES = {"cluster", "volumes", "database", "cache", "storage", "registry", "secrets", "logs", "notices"}


@cache
def made() -> Cloud:
    cloud = Cloud()
    cloud.run(lambda: Encryption("ms", EncryptionArgs("123456789012", "eu-central-1", 30)).logs)
    return cloud


def statements(purpose: str) -> list[dict[str, Any]]:
    return json.loads(made().named(KEY, f"ms-{purpose}")["policy"])["Statement"]


def test_every_purpose_has_a_key_of_its_own() -> None:
    assert {name for typ, name, _ in made().resources if typ == KEY} == {f"ms-{p}" for p in PURPOSES}


def test_every_key_rotates_and_can_be_brought_back_for_a_month() -> None:
    assert all(key["enableKeyRotation"] and key["deletionWindowInDays"] == 30 for key in made().all(KEY))


def test_every_key_has_a_name_that_people_find() -> None:
    assert {alias["name"] for alias in made().all("aws:kms/alias:Alias")} == {f"alias/ms-{p}" for p in PURPOSES}


@pytest.mark.parametrize("purpose", sorted(PURPOSES))
def test_no_key_is_open_to_the_world(purpose: str) -> None:
    for statement in statements(purpose):
        if "*" in statement["Principal"].get("AWS", []):
            assert statement["Condition"]["StringEquals"]["kms:CallerAccount"] == "123456789012"


@pytest.mark.parametrize("purpose", sorted(PURPOSES - {"volumes", "logs", "notices"}))
def test_a_key_that_no_service_needs_belongs_to_the_account_alone(purpose: str) -> None:
    assert [s["Principal"] for s in statements(purpose)] == [{"AWS": ["arn:aws:iam::123456789012:root"]}]


def test_log_groups_of_this_account_alone_use_their_key() -> None:
    service = statements("logs")[1]
    assert service["Principal"] == {"Service": ["logs.eu-central-1.amazonaws.com"]}
    assert service["Condition"]["ArnLike"] == {
        "kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:eu-central-1:123456789012:*"
    }


def test_disks_are_opened_through_ec2_alone() -> None:
    assert {s["Condition"]["StringEquals"]["kms:ViaService"] for s in statements("volumes")[1:]} == {
        "ec2.eu-central-1.amazonaws.com"
    }


def test_a_key_gone_within_a_week_is_refused() -> None:
    with pytest.raises(ValueError, match="give 7 to 30"):
        EncryptionArgs("123456789012", "eu-central-1", 1)
