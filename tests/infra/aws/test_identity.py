"""Identities of pods: who may take a role, and what the roles may do."""

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pytest

from infra.aws import grants
from infra.aws.identity import Identity, IdentityArgs
from infra.aws.policy import Statement
from tests.infra.aws.cloud import Cloud

POLICY = "aws:iam/rolePolicy:RolePolicy"


def made(statements: Sequence[Statement] = (), managed: tuple[str, ...] = ()) -> Cloud:
    cloud = Cloud()
    args = IdentityArgs("arn:oidc", "oidc.example/id/1", "serving", "images", statements, managed)
    cloud.run(lambda: Identity("images", args).role_arn)
    return cloud


def allowed(statements: Sequence[Statement]) -> list[dict[str, Any]]:
    return json.loads(made(statements).only(POLICY)["policy"])["Statement"]


def test_one_service_account_of_one_namespace_takes_the_role() -> None:
    (trust,) = json.loads(made().only("aws:iam/role:Role")["assumeRolePolicy"])["Statement"]
    assert trust["Principal"] == {"Federated": ["arn:oidc"]}
    assert trust["Condition"] == {
        "StringEquals": {
            "oidc.example/id/1:sub": "system:serviceaccount:serving:images",
            "oidc.example/id/1:aud": "sts.amazonaws.com",
        }
    }


def test_roles_with_names_too_long_for_aws_are_cut_and_stay_apart() -> None:
    cloud = Cloud()
    args = IdentityArgs("arn:oidc", "oidc.example/id/1", "serving", "images")
    long = [f"modelserve-prod-serving-{'x' * 39}{end}" for end in "ab"]
    cloud.run(lambda: pulumi.Output.all(*(Identity(name, args).role_arn for name in (*long, "images"))))
    called = [name for typ, name, _ in cloud.resources if typ == "aws:iam/role:Role"]
    assert len(set(called)) == len(called) == 3
    assert "images" in called
    assert max(map(len, called)) <= 56


@pytest.mark.parametrize(("namespace", "account"), [("*", "images"), ("serving", "*"), ("", "images")])
def test_a_role_for_many_is_refused(namespace: str, account: str) -> None:
    with pytest.raises(ValueError, match="is not one service account"):
        IdentityArgs("arn:oidc", "oidc.example", namespace, account)


def test_without_statements_nothing_is_granted() -> None:
    assert made().none(POLICY)


def test_what_aws_maintains_is_attached_by_name() -> None:
    attached = made(managed=("service-role/AmazonEBSCSIDriverPolicy",)).only(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    )
    assert attached["policyArn"] == "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"


def test_a_reader_reads_under_its_prefix_alone() -> None:
    statements = allowed(grants.read_objects("arn:aws:s3:::models", "arn:key", "ner/"))
    assert [s["Resource"] for s in statements if "s3:GetObject" in s["Action"]] == [["arn:aws:s3:::models/ner/*"]]
    assert statements[0]["Condition"] == {"StringLike": {"s3:prefix": ["ner/*"]}}


def test_a_reader_writes_nothing() -> None:
    actions = {a for s in allowed(grants.read_objects("arn:b", "arn:key")) for a in s["Action"]}
    assert actions == {"s3:ListBucket", "s3:GetObject", "kms:Decrypt"}


def test_a_writer_cannot_delete_versions() -> None:
    actions = {a for s in allowed(grants.write_objects("arn:b", "arn:key")) for a in s["Action"]}
    assert "s3:PutObject" in actions
    assert "s3:DeleteObjectVersion" not in actions


def test_a_secret_is_read_by_its_name() -> None:
    assert allowed(grants.read_secrets(["arn:s"], "arn:key"))[0]["Resource"] == ["arn:s"]


def test_the_load_balancer_controller_makes_and_deletes_no_load_balancer() -> None:
    statements = allowed(grants.register_targets("arn:targets"))
    changing = [s for s in statements if any(":Describe" not in action for action in s["Action"])]
    assert [s["Resource"] for s in changing] == [["arn:targets"]]


def test_the_autoscaler_moves_groups_of_its_own_cluster_alone() -> None:
    moving, reading = allowed(grants.scale_nodes("ms"))
    assert moving["Condition"] == {"StringEquals": {"aws:ResourceTag/k8s.io/cluster-autoscaler/ms": "owned"}}
    assert all("Describe" in action or ":Get" in action for action in reading["Action"])
