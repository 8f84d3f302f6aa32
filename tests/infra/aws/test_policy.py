"""Policy documents: what they say, and what cannot be said."""

import json

import pulumi
import pytest

from infra.aws.policy import Statement, document
from tests.recorder import Recorder


def test_a_document_waits_for_the_arns_it_names() -> None:
    later = pulumi.Output.from_input("arn:aws:s3:::models/*")
    written = Recorder().run(lambda: document(Statement(["s3:GetObject"], [later])))
    assert written is not None
    assert json.loads(written)["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::models/*"]}
    ]


def test_a_document_waits_for_a_whole_condition_and_for_the_same_arn_twice() -> None:
    issuer, arn = pulumi.Output.from_input("issuer"), pulumi.Output.from_input("arn:provider")
    claims = issuer.apply(lambda known: {f"{known}:aud": "sts.amazonaws.com"})
    trust = Statement(
        ["sts:AssumeRoleWithWebIdentity"],
        resources=[arn],
        principals={"Federated": [arn]},
        conditions={"StringEquals": claims},
    )
    written = Recorder().run(lambda: document(trust))
    assert written is not None
    assert json.loads(written)["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Resource": ["arn:provider"],
            "Principal": {"Federated": ["arn:provider"]},
            "Condition": {"StringEquals": {"issuer:aud": "sts.amazonaws.com"}},
        }
    ]


@pytest.mark.parametrize(("action", "resource"), [("*", "*"), ("*", "arn:aws:s3:::models"), ("s3:*", "*")])
def test_everything_cannot_be_allowed(action: str, resource: str) -> None:
    with pytest.raises(ValueError, match="name the actions or the resources"):
        Statement([action], [resource])


def test_everything_can_be_denied() -> None:
    Statement(["s3:*"], ["*"], effect="Deny")
