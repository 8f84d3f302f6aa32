"""What a change of a running AWS stack changes: that, and nothing that holds data."""

import dataclasses
from functools import cache

import pytest

from infra import versions
from infra.platform import cert_manager
from tests.infra.aws.stack import Change, as_written, program, whole, whole_as_written

CLUSTER = "aws:eks/cluster:Cluster"
DATABASE = "aws:rds/instance:Instance"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
NODES = "aws:eks/nodeGroup:NodeGroup"
ADDON = "aws:eks/addon:Addon"
SUBNET = "aws:ec2/subnet:Subnet"
NAT = "aws:ec2/natGateway:NatGateway"
HOLD_DATA = (
    DATABASE,
    CACHE,
    "aws:s3/bucket:Bucket",
    "aws:ecr/repository:Repository",
    "aws:kms/key:Key",
    "aws:secretsmanager/secret:Secret",
    "random:index/randomPassword:RandomPassword",
)
"""What a replacement would empty, or make unreadable."""


def test_the_same_settings_make_the_same_stack() -> None:
    change = Change(whole_as_written("prod"), whole("prod"))
    assert not change.added
    assert not change.removed
    assert not change.differs


def test_another_type_of_node_replaces_that_group_alone() -> None:
    bigger = program("prod", {"nodes": {"general": {"instance_types": ["m7i.2xlarge"]}}})
    change = Change(as_written("prod"), bigger)
    assert change.differs == {(NODES, "modelserve-prod-general"): {"instanceTypes"}}
    assert not change.added
    assert not change.removed


def test_a_node_group_can_be_replaced_before_the_old_one_is_gone() -> None:
    # Two groups of one name cannot be there at once; without a name the engine makes one up.
    assert all("nodeGroupName" not in nodes for nodes in as_written("prod").all(NODES))


def test_another_minor_of_kubernetes_moves_cluster_nodes_and_add_ons(monkeypatch: pytest.MonkeyPatch) -> None:
    before = as_written("prod")
    for name in ("VPC_CNI", "KUBE_PROXY", "COREDNS", "EBS_CSI", "METRICS_SERVER"):
        monkeypatch.setattr(versions, name, f"{getattr(versions, name)}0")
    monkeypatch.setattr(versions, "EKS", "1.36")
    change = Change(before, program("prod"))
    assert {key: what for (key, _), what in change.differs.items()} == {
        CLUSTER: {"version"},
        NODES: {"version"},
        ADDON: {"addonVersion"},
    }
    assert len(change.differs) == 1 + 4 + 5
    assert not change.added
    assert not change.removed


@cache
def zone_added(stack: str, zones: int) -> Change:
    names = [f"eu-central-1{letter}" for letter in "abcd"]
    return Change(program(stack, {"zones": names[:zones]}), program(stack, {"zones": names[: zones + 1]}))


@pytest.mark.parametrize(("stack", "zones"), [("stage", 2), ("prod", 3)])
def test_a_zone_is_added_beside_the_others(stack: str, zones: int) -> None:
    change = zone_added(stack, zones)
    assert not change.removed
    assert SUBNET in change.added
    assert not change.types & {SUBNET, NAT, "aws:ec2/vpc:Vpc", "aws:ec2/route:Route"}


@pytest.mark.parametrize(("stack", "zones"), [("stage", 2), ("prod", 3)])
def test_what_holds_data_stays_when_a_zone_is_added(stack: str, zones: int) -> None:
    change = zone_added(stack, zones)
    assert not change.types & {*HOLD_DATA, CLUSTER}
    assert change.types == {
        # Another group of nodes is made before the old one is drained; all others take the zone as they are.
        NODES,
        "aws:rds/subnetGroup:SubnetGroup",
        "aws:elasticache/subnetGroup:SubnetGroup",
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:ec2/vpcEndpoint:VpcEndpoint",
    }


def test_another_version_of_a_chart_changes_that_release_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = whole_as_written("prod")
    newer = dataclasses.replace(cert_manager.CHART, version="99.0.0")
    monkeypatch.setattr(cert_manager, "CHART", newer)
    change = Change(before, whole("prod"))
    assert change.differs == {("kubernetes:helm.sh/v3:Release", "cert-manager"): {"version"}}
    assert not change.added
    assert not change.removed


def test_a_larger_database_is_the_same_database() -> None:
    change = Change(as_written("prod"), program("prod", {"database": {"instance_class": "db.m7g.xlarge"}}))
    assert change.differs == {(DATABASE, "modelserve-prod"): {"instanceClass"}}


def test_another_engine_keeps_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    before = as_written("prod")
    monkeypatch.setattr(versions, "POSTGRES", "18")
    change = Change(before, program("prod"))
    assert change.differs[DATABASE, "modelserve-prod"] == {"engineVersion"}
    assert change.types == {DATABASE, "aws:rds/parameterGroup:ParameterGroup"}
