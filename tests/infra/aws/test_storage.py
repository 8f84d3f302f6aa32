"""The buckets, without a cloud: what they are, and what they must not be."""

import json
from functools import cache
from typing import Any

import pytest

from infra.aws.storage import Storage, StorageArgs
from tests.infra.aws.cloud import Cloud

BUCKET = "aws:s3/bucket:Bucket"
PARTS = ("models", "data", "logs")


@cache
def made(protected: bool = True) -> Cloud:
    cloud = Cloud()
    cloud.run(lambda: Storage("ms", StorageArgs("123456789012", "arn:key", 90, protected), cloud.opts).logs)
    return cloud


def of(kind: str, part: str) -> dict[str, Any]:
    return made().named(f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}", f"ms-{part}")


@pytest.mark.parametrize("part", PARTS)
def test_no_bucket_can_become_public(part: str) -> None:
    block = of("BucketPublicAccessBlock", part)
    assert all(
        block[way] for way in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    )


@pytest.mark.parametrize("part", PARTS)
def test_nobody_gets_in_without_tls(part: str) -> None:
    deny = json.loads(of("BucketPolicy", part)["policy"])["Statement"][0]
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", {"AWS": ["*"]}, ["s3:*"])
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("part", PARTS)
def test_what_is_overwritten_can_be_had_back_for_a_while(part: str) -> None:
    assert of("BucketVersioning", part)["versioningConfiguration"] == {"status": "Enabled"}
    (rule,) = of("BucketLifecycleConfiguration", part)["rules"]
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 90}


@pytest.mark.parametrize("part", PARTS)
def test_access_is_a_matter_of_policies_alone(part: str) -> None:
    assert of("BucketOwnershipControls", part)["rule"] == {"objectOwnership": "BucketOwnerEnforced"}


@pytest.mark.parametrize("part", ["models", "data"])
def test_models_and_data_rest_under_our_key(part: str) -> None:
    (rule,) = of("BucketServerSideEncryptionConfiguration", part)["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "arn:key"}


def test_the_log_bucket_is_encrypted_so_that_logs_can_be_delivered() -> None:
    (rule,) = of("BucketServerSideEncryptionConfiguration", "logs")["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}


@pytest.mark.parametrize("part", ["models", "data"])
def test_who_touched_a_bucket_is_written_down(part: str) -> None:
    logging = of("BucketLogging", part)
    assert logging["targetPrefix"] == f"s3/{part}/"


def test_logs_go_after_their_time() -> None:
    (rule,) = of("BucketLifecycleConfiguration", "logs")["rules"]
    assert rule["expiration"] == {"days": 90}


def test_models_never_expire() -> None:
    (rule,) = of("BucketLifecycleConfiguration", "models")["rules"]
    assert "expiration" not in rule


def test_only_this_account_delivers_logs() -> None:
    _, buckets, balancers = json.loads(of("BucketPolicy", "logs")["policy"])["Statement"]
    assert buckets["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert balancers["Resource"] == ["arn:aws:made:::ms-logs/alb/AWSLogs/123456789012/*"]


def test_protected_buckets_stay_whatever_happens_to_the_stack() -> None:
    assert all(options.protect and options.retain_on_delete for options in made().option(BUCKET))
    assert not any(bucket["forceDestroy"] for bucket in made().all(BUCKET))


def test_unprotected_buckets_go_with_what_they_hold() -> None:
    assert not any(options.protect or options.retain_on_delete for options in made(protected=False).option(BUCKET))
    assert all(bucket["forceDestroy"] for bucket in made(protected=False).all(BUCKET))
