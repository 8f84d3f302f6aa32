"""Stand-ins for provider plugins refuse what the real ones would."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime import rpc

from tests.providers import aws, derive, random, schema, sdk
from tests.providers.kept import Cloud
from tests.providers.server import CLOUD, UNKNOWN, FailedError, RefusedError, Resource

VPC = "aws:ec2/vpc:Vpc"
CLUSTER = "aws:eks/cluster:Cluster"


def of(token: str, name: str = "main") -> Resource:
    return Resource(f"urn:pulumi:prod::modelserve::modelserve:aws:Network${token}::{name}", b"seed")


@pytest.mark.parametrize(
    ("given", "place", "reason"),
    [
        ({"cidrBlok": "10.0.0.0/16"}, "cidrBlok", "is no property of Vpc"),
        ({"cidrBlock": 10}, "cidrBlock", "is 10, not a string"),
        ({"enableDnsSupport": "yes"}, "enableDnsSupport", "is 'yes', not true or false"),
        ({"tags": {"Name": 1}}, "tags.Name", "is 1, not a string"),
        ({"tags": ["Name"]}, "tags", "is ['Name'], not a map"),
    ],
)
def test_an_input_that_the_sdk_does_not_know_is_refused(given: dict[str, Any], place: str, reason: str) -> None:
    assert sdk.wrong(VPC, given) == [(place, reason)]


def test_a_required_input_that_is_missing_is_refused() -> None:
    assert ("roleArn", "is required and missing") in sdk.wrong(CLUSTER, {"vpcConfig": {"subnetIds": []}})


def test_objects_within_are_checked_too() -> None:
    given = {"roleArn": "arn", "vpcConfig": {"subnetIds": ["a", 2], "subnets": []}}
    assert sdk.wrong(CLUSTER, given) == [
        ("vpcConfig.subnetIds[1]", "is 2, not a string"),
        ("vpcConfig.subnets", "is no property of ClusterVpcConfig"),
    ]


def test_a_type_that_does_not_exist_is_refused() -> None:
    assert sdk.wrong("aws:ec2/vps:Vps", {}) == [("", "there is no resource type aws:ec2/vps:Vps")]


def test_what_is_not_known_yet_is_taken() -> None:
    assert sdk.wrong(VPC, {"cidrBlock": UNKNOWN, "tags": UNKNOWN}) == []


def test_a_name_that_was_made_up_stays() -> None:
    provider = aws.Provider()
    first = provider.check(of("aws:iam/role:Role"), {}, {"assumeRolePolicy": "{}"})
    assert first["name"].startswith("main-")
    assert provider.check(of("aws:iam/role:Role"), first, {"assumeRolePolicy": "[]"})["name"] == first["name"]


def test_another_range_of_addresses_is_another_network() -> None:
    found = aws.Provider().diff(of(VPC), {"cidrBlock": "10.0.0.0/16"}, {"cidrBlock": "10.1.0.0/16", "tags": {}})
    assert found.changed == {"cidrBlock", "tags"}
    assert found.replaced == {"cidrBlock"}


def test_a_plan_does_not_pretend_to_know_what_aws_makes_up() -> None:
    outputs = aws.Provider().outputs(of(CLUSTER), {"name": "c", "roleArn": "arn", "vpcConfig": {}}, preview=True)
    assert outputs["endpoint"] == outputs["arn"] == outputs["vpcConfig"]["clusterSecurityGroupId"] == UNKNOWN
    assert outputs["name"] == "c"


def test_a_password_has_the_length_that_was_asked_for() -> None:
    password = of("random:index/randomPassword:RandomPassword")
    outputs = random.Provider().outputs(password, {"length": 40, "special": False}, preview=False)
    assert len(outputs["result"]) == 40
    assert outputs["result"].isalnum()


def test_what_the_stand_in_cannot_make_is_refused() -> None:
    with pytest.raises(RefusedError, match="not RandomPet"):
        random.Provider().check(of("random:index/randomPet:RandomPet"), {}, {})


@pytest.mark.parametrize("force", [True, False], ids=["forced", "not forced"])
def test_a_bucket_goes_with_what_is_in_it_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    monkeypatch.setenv(CLOUD, str(tmp_path))
    provider, inputs = aws.Provider(), {"bucket": "models", "forceDestroy": force}
    identity, outputs = provider.create(of(aws.BUCKET), inputs, preview=False)
    provider.create(of(aws.OBJECT), {"bucket": "models", "key": "toy/1.0.0/model.onnx"}, preview=False)
    bucket = Resource(of(aws.BUCKET).urn, id=identity)
    with nullcontext() if force else pytest.raises(FailedError, match="BucketNotEmpty"):
        provider.delete(bucket, inputs, outputs)
    assert len(list(Cloud(tmp_path).things())) == (0 if force else 2)


def test_what_is_not_known_yet_is_what_the_sdk_takes_for_it() -> None:
    assert UNKNOWN == rpc.UNKNOWN


def test_a_type_is_told_again_without_importing_the_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSERVE_CACHE", str(tmp_path))
    schema.of.cache_clear()
    derived = schema.of(CLUSTER)
    schema.of.cache_clear()
    monkeypatch.setattr(derive, "derived", lambda token: pytest.fail(f"asked the SDK for {token}"))
    assert derived
    assert schema.of(CLUSTER) == derived
    schema.of.cache_clear()
