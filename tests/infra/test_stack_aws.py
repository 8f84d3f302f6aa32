"""The AWS stack as a whole, without a cloud: what stage and prod are made of, and what a change changes."""

import dataclasses
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import pulumi
import pytest
import yaml

from infra import versions
from infra.build_context import BuildContext
from infra.platform import cert_manager
from infra.settings import CHECKOUT, Settings, parse, serving_specs
from infra.settings.tree import merge
from stacks import aws, cluster
from tests.infra.aws.cloud import Cloud

Inputs = dict[tuple[str, str], dict[str, Any]]

CLUSTER = "aws:eks/cluster:Cluster"
DATABASE = "aws:rds/instance:Instance"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
NODES = "aws:eks/nodeGroup:NodeGroup"
ADDON = "aws:eks/addon:Addon"
SUBNET = "aws:ec2/subnet:Subnet"
NAT = "aws:ec2/natGateway:NatGateway"
ROLE = "aws:iam/role:Role"
GRANT = "aws:iam/rolePolicy:RolePolicy"
ROLE_ARN = "eks.amazonaws.com/role-arn"
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


def written(stack: str, changes: dict[str, Any]) -> Settings:
    config = yaml.safe_load((CHECKOUT / f"Pulumi.{stack}.yaml").read_text())["config"]
    told = merge(config["modelserve:aws"], changes)
    return parse({"modelserve:target": "aws", "modelserve:aws": json.dumps(told)}, stack)


def program(stack: str, changes: dict[str, Any] | None = None) -> Cloud:
    """What AWS is asked for, the cluster left empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "deploy", lambda *_: {})
        return whole(stack, changes)


def whole(stack: str, changes: dict[str, Any] | None = None) -> Cloud:
    cloud = Cloud(stack)
    settings = written(stack, changes or {})
    with pytest.MonkeyPatch.context() as patch:
        # Reading the whole checkout for the image's tag is another test's business.
        patch.setattr(BuildContext, "digest", lambda *_: "0" * 64)
        cloud.run(lambda: aws.deploy(settings, serving_specs(settings, stack)))
    return cloud


@cache
def as_written(stack: str) -> Cloud:
    return program(stack)


@cache
def whole_as_written(stack: str) -> Cloud:
    return whole(stack)


def made(cloud: Cloud) -> Inputs:
    return {(typ, name): inputs for typ, name, inputs in cloud.resources if not typ.startswith("modelserve:")}


def told(monkeypatch: pytest.MonkeyPatch, stack: str) -> dict[str, pulumi.Output[Any]]:
    exported: dict[str, pulumi.Output[Any]] = {}
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)
    whole(stack)
    return exported


class Change:
    """What another run of the program makes differently.

    Attributes:
        added, removed: types of resources that only one of the runs has.
        differs: ``(type, name)`` to the inputs that are not the same.
    """

    def __init__(self, before: Cloud, after: Cloud) -> None:
        old, new = made(before), made(after)
        self.added = {typ for typ, _ in new.keys() - old.keys()}
        self.removed = {typ for typ, _ in old.keys() - new.keys()}
        self.differs = {
            key: differing for key in old.keys() & new.keys() if (differing := _differing(old[key], new[key]))
        }

    @property
    def types(self) -> set[str]:
        return {typ for typ, _ in self.differs}


def _differing(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    # Archives compare by identity; what is in them is no matter of the stack.
    return {key for key in old.keys() | new.keys() if key != "code" and old.get(key) != new.get(key)}


def test_stage_has_one_nat_gateway_and_nothing_twice() -> None:
    stage = as_written("stage")
    assert len(stage.all(NAT)) == 1
    assert not stage.only(DATABASE)["multiAz"]
    assert stage.only(CACHE)["numCacheClusters"] == 1
    assert [nodes["capacityType"] for nodes in stage.all(NODES)] == ["SPOT"]


def test_prod_survives_the_loss_of_a_zone() -> None:
    prod = as_written("prod")
    assert len(prod.all(NAT)) == 3
    assert prod.only(DATABASE)["multiAz"]
    assert prod.only(CACHE)["multiAzEnabled"]
    assert "ON_DEMAND" in [nodes["capacityType"] for nodes in prod.all(NODES)]


def test_prod_refuses_to_lose_data_and_stage_can_be_thrown_away() -> None:
    assert as_written("prod").only(DATABASE)["deletionProtection"]
    assert as_written("prod").only(CLUSTER)["deletionProtection"]
    assert not as_written("stage").only(DATABASE)["deletionProtection"]
    assert all(bucket["forceDestroy"] for bucket in as_written("stage").all("aws:s3/bucket:Bucket"))


def test_nothing_is_made_in_another_account_or_without_tags() -> None:
    provider = as_written("prod").only("pulumi:providers:aws")
    assert json.loads(provider["allowedAccountIds"]) == ["123456789012"]
    assert provider["region"] == "eu-central-1"
    tags = json.loads(provider["defaultTags"])["tags"]
    assert tags == {"project": "modelserve", "stack": "prod", "managed-by": "pulumi"}


def test_the_tags_of_the_stack_file_are_on_everything_too() -> None:
    provider = program("prod", {"tags": {"team": "vision"}}).only("pulumi:providers:aws")
    assert json.loads(provider["defaultTags"])["tags"]["team"] == "vision"


def test_the_budget_counts_this_stack_alone() -> None:
    (counted,) = as_written("prod").only("aws:budgets/budget:Budget")["costFilters"]
    assert counted["values"] == ["user:stack$prod"]


def test_what_is_on_the_cluster_is_replaced_with_the_cluster_alone() -> None:
    provider = as_written("prod").only("pulumi:providers:kubernetes")
    assert provider["clusterIdentifier"] == "oidc.example/id/1"
    assert "exec" in provider["kubeconfig"]


def test_disks_of_pods_are_encrypted_with_a_key_of_ours_and_tagged() -> None:
    disks = as_written("prod").only("kubernetes:storage.k8s.io/v1:StorageClass")
    assert disks["parameters"]["encrypted"] == "true"
    assert disks["parameters"]["kmsKeyId"] == "arn:aws:made:::modelserve-prod-volumes"
    assert "stack=prod" in disks["parameters"].values()


def policy(cloud: Cloud, name: str) -> str:
    return cast(str, cloud.named(GRANT, name)["policy"])


def test_an_app_reads_its_own_model_and_no_other() -> None:
    may = policy(as_written("prod"), "modelserve-prod-serving-detector")
    assert "modelserve-prod-models/circle_detector/*" in may
    assert "resnet50" not in may
    assert "PutObject" not in may


def test_an_app_keeps_its_own_objects_and_sees_no_others() -> None:
    may = policy(as_written("prod"), "modelserve-prod-serving-images")
    assert "modelserve-prod-data/images/*" in may
    assert "modelserve-prod-data/*" not in may


def test_no_app_reads_a_secret_by_itself() -> None:
    apps = [i["policy"] for t, name, i in as_written("prod").resources if t == GRANT and "-serving-" in name]
    assert len(apps) >= 5
    assert not any("secretsmanager" in may for may in apps)


def test_only_the_service_account_of_an_app_takes_its_role() -> None:
    trust = as_written("prod").named(ROLE, "modelserve-prod-serving-images")["assumeRolePolicy"]
    assert '"oidc.example/id/1:sub": "system:serviceaccount:serving:images"' in trust


def entitled(cloud: Cloud) -> Iterator[tuple[str, str]]:
    """Each service account that wants a role, as ``system:serviceaccount:<namespace>:<name>``, and the role's name."""

    def within(value: Any, namespace: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            found = cast(dict[str, Any], value)
            if ROLE_ARN in (found.get("annotations") or {}):
                role = found["annotations"][ROLE_ARN].rpartition(":")[2]
                yield f"system:serviceaccount:{found.get('namespace', namespace)}:{found['name']}", role
            for each in found.values():
                yield from within(each, namespace)

    for typ, _, inputs in cloud.resources:
        if typ.startswith("kubernetes:"):
            yield from within(inputs, inputs.get("namespace", ""))


@pytest.mark.parametrize("stack", ["stage", "prod"])
def test_every_service_account_may_take_the_role_that_it_wants(stack: str) -> None:
    cloud = whole_as_written(stack)
    pairs = dict(entitled(cloud))
    assert len(pairs) >= 8
    for account, role in pairs.items():
        assert f'"{account}"' in cloud.named(ROLE, role)["assumeRolePolicy"], f"{account} cannot take {role}"


@pytest.mark.parametrize("stack", ["stage", "prod"])
def test_no_role_is_made_that_nobody_takes(stack: str) -> None:
    cloud = whole_as_written(stack)
    subjects = {
        subject
        for typ, _, inputs in cloud.resources
        if typ == ROLE and ":sub" in inputs["assumeRolePolicy"]
        for subject in re.findall(r"system:serviceaccount:[a-z0-9-]+:[a-z0-9-]+", inputs["assumeRolePolicy"])
    }
    # EKS gives these their roles by itself, as add-ons.
    addons = {"system:serviceaccount:kube-system:aws-node", "system:serviceaccount:kube-system:ebs-csi-controller-sa"}
    assert subjects - addons == dict(entitled(cloud)).keys()


def test_secrets_reach_the_cluster_through_one_account_that_reads_just_them() -> None:
    may = policy(as_written("prod"), "modelserve-prod-external-secrets")
    assert "arn:master" in may
    assert "arn:aws:made:::modelserve-prod-cache" in may
    assert '"*"' not in may


@pytest.mark.parametrize("stack", ["stage", "prod"])
def test_the_outputs_say_where_the_apps_answer_and_no_secret(monkeypatch: pytest.MonkeyPatch, stack: str) -> None:
    exported = told(monkeypatch, stack)
    seen: list[dict[str, Any]] = []
    Cloud(stack).run(lambda: pulumi.Output.all(**exported).apply(seen.append))
    (outputs,) = seen
    assert outputs["apps"]["ner"]["urls"] == [f"{outputs['gateway']}/ner/"]
    assert outputs["services"]["grafana"] == f"{outputs['gateway']}/grafana/"
    assert "exec" in outputs["kubeconfig"]
    assert "generated" not in json.dumps(outputs)


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
