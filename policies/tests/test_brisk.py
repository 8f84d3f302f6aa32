"""Asking rules by type: the same verdicts as from the SDK alone."""

from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi_policy import EnforcementLevel
from pulumi_policy.policy import _PolicyAnalyzerServicer as Alone
from pulumi_policy.policy import proto

from pack.brisk import Analyzer
from pack.rule import Rule, rule
from rules import POLICIES

SHOWN: dict[str, dict[str, Any]] = {
    "aws:s3/bucketAcl:BucketAcl": {"acl": "public-read"},
    "aws:ec2/launchTemplate:LaunchTemplate": {"name": "nodes", "metadataOptions": {"httpPutResponseHopLimit": 1}},
    "kubernetes:apps/v1:Deployment": {
        "metadata": {"name": "app"},
        "spec": {"template": {"spec": {"containers": [{}]}}},
    },
    "random:index/randomPassword:RandomPassword": {"length": 3},
}
"""Resources about which rules have something to say, and one about which none has."""


def request(kind: Any, typ: str) -> Any:
    urn = f"urn:pulumi:prod::modelserve::{typ}::it"
    return kind(type=typ, urn=urn, name="it", properties=ParseDict(SHOWN[typ], Struct()))


def made(cls: type[Alone]) -> Alone:
    analyzer = cls("modelserve", "1.0.0", POLICIES, EnforcementLevel.MANDATORY)
    spared = {"image-tags-immutable": proto.PolicyConfig(enforcementLevel=proto.DISABLED)}
    analyzer.Configure(SimpleNamespace(policyConfig=spared), None)
    return analyzer


@pytest.mark.parametrize("typ", SHOWN)
def test_rules_find_what_they_found(typ: str) -> None:
    asked, alone = (made(cls).Analyze(request(proto.AnalyzeRequest, typ), None) for cls in (Analyzer, Alone))
    assert list(asked.diagnostics) == list(alone.diagnostics)


@pytest.mark.parametrize("typ", SHOWN)
def test_the_same_rules_have_nothing_to_say(typ: str) -> None:
    asked, alone = (made(cls).Analyze(request(proto.AnalyzeRequest, typ), None) for cls in (Analyzer, Alone))
    assert {one.policy_name for one in asked.not_applicable} == {one.policy_name for one in alone.not_applicable}


@pytest.mark.parametrize("typ", SHOWN)
def test_rules_set_right_what_they_did(typ: str) -> None:
    asked, alone = (made(cls).Remediate(request(proto.AnalyzeRequest, typ), None) for cls in (Analyzer, Alone))
    assert asked == alone


STACK = {
    "aws:eks/nodeGroup:NodeGroup": {"instanceTypes": ["m7i.large"]},
    "kubernetes:core/v1:Namespace": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "open"}},
}
"""Nobody watches what the first costs."""


def whole() -> Any:
    resources = [
        proto.AnalyzerResource(type=typ, urn=f"urn:{typ}", name="it", properties=ParseDict(properties, Struct()))
        for typ, properties in STACK.items()
    ]
    return proto.AnalyzeStackRequest(resources=resources)


def test_rules_about_the_whole_stack_find_what_they_found() -> None:
    asked, alone = (made(cls).AnalyzeStack(whole(), None) for cls in (Analyzer, Alone))
    assert asked == alone
    assert {one.urn for one in asked.diagnostics} == {"urn:aws:eks/nodeGroup:NodeGroup"}


def test_they_read_a_resource_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    really = json_format.MessageToDict

    def counted(message: Any) -> Any:
        read.append(message)
        return really(message)

    monkeypatch.setattr(json_format, "MessageToDict", counted)
    asked, alone = made(Analyzer), made(Alone)
    read.clear()
    alone.AnalyzeStack(whole(), None)
    assert len(read) > len(STACK), "the SDK reads it once: take AnalyzeStack away"
    read.clear()
    asked.AnalyzeStack(whole(), None)
    assert len(read) == len(STACK)


def test_something_is_found_and_something_set_right() -> None:
    analyzer = made(Analyzer)
    assert analyzer.Analyze(request(proto.AnalyzeRequest, "aws:s3/bucketAcl:BucketAcl"), None).diagnostics
    assert analyzer.Remediate(request(proto.AnalyzeRequest, "aws:ec2/launchTemplate:LaunchTemplate"), None).remediations


def test_a_rule_about_another_type_is_not_asked() -> None:
    def find(resource: Any) -> Any:
        """Wants nothing. Do nothing."""
        pytest.fail(f"asked about {resource.type}")

    elsewhere = rule("aws:*")(find)
    assert isinstance(elsewhere, Rule)
    analyzer = Analyzer("modelserve", "1.0.0", [elsewhere], EnforcementLevel.MANDATORY)
    analyzer.Analyze(request(proto.AnalyzeRequest, "kubernetes:apps/v1:Deployment"), None)
