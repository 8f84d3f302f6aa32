"""The AWS stack as a whole, without a cloud: what stage and prod are made of."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

import pulumi
import pytest

from infra.platform.surroundings import NOT_ON_SPOT
from stacks import aws
from tests.infra.aws.cloud import Cloud
from tests.infra.aws.stack import as_written, program, whole, whole_as_written

CLUSTER = "aws:eks/cluster:Cluster"
DATABASE = "aws:rds/instance:Instance"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
NODES = "aws:eks/nodeGroup:NodeGroup"
NAT = "aws:ec2/natGateway:NatGateway"
ROLE = "aws:iam/role:Role"
GRANT = "aws:iam/rolePolicy:RolePolicy"
ROLE_ARN = "eks.amazonaws.com/role-arn"


def told(monkeypatch: pytest.MonkeyPatch, stack: str) -> dict[str, pulumi.Output[Any]]:
    exported: dict[str, pulumi.Output[Any]] = {}
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)
    whole(stack)
    return exported


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


def test_the_cluster_is_drained_after_what_is_on_it_and_before_its_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    after: dict[str, list[Any]] = {}

    class Provider(aws.KubernetesProvider):
        def __init__(self, name: str, opts: pulumi.ResourceOptions, **args: Any) -> None:
            after["provider"] = list(cast(list[Any], opts.depends_on))
            super().__init__(name, opts=opts, **args)

    class Drain(aws.Drain):
        def __init__(self, name: str, kubeconfig: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
            after["drain"] = list(cast(list[Any], opts.depends_on))
            super().__init__(name, kubeconfig, opts)

    monkeypatch.setattr(aws, "KubernetesProvider", Provider)
    monkeypatch.setattr(aws, "Drain", Drain)
    program("stage")
    assert [type(each) for each in after["provider"]] == [Drain]
    assert [type(each) for each in after["drain"]] == [aws.Addons]


def test_the_load_balancer_alone_lets_the_whole_internet_in() -> None:
    prod = whole_as_written("prod")
    outward = ("aws:ec2/route:Route", "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    opened: set[tuple[str, str]] = set()
    for typ, name, inputs in prod.resources:
        inward = {**inputs, "egress": None, "spec": {**inputs.get("spec", {}), "egress": None}}
        if typ not in outward and re.search(r"\b0\.0\.0\.0/0|(?<!\w)::/0", str(inward)):
            opened.add((typ, inputs.get("securityGroupId", name)))
    (balancer,) = prod.only("aws:lb/loadBalancer:LoadBalancer")["securityGroups"]
    assert opened == {("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", balancer)}


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


def test_alerts_reach_the_people_who_hear_of_costs_and_alertmanager_may_do_nothing_else() -> None:
    cloud = whole_as_written("prod")
    [notices] = cloud.all("kubernetes:monitoring.coreos.com/v1alpha1:AlertmanagerConfig")
    [receiver] = notices["spec"]["receivers"]
    topic = receiver["snsConfigs"][0]["topicARN"]
    assert {each["topic"] for each in cloud.all("aws:sns/topicSubscription:TopicSubscription")} == {topic}
    may = json.loads(policy(cloud, "modelserve-prod-alertmanager"))["Statement"]
    assert [(each["Action"], each["Resource"]) for each in may] == [
        (["sns:Publish"], [topic]),
        (["kms:Decrypt", "kms:GenerateDataKey"], [cloud.only("aws:sns/topic:Topic")["kmsMasterKeyId"]]),
    ]


@pytest.mark.parametrize("stack", ["stage", "prod"])
def test_the_outputs_say_where_the_apps_answer_and_no_secret(monkeypatch: pytest.MonkeyPatch, stack: str) -> None:
    exported = told(monkeypatch, stack)
    seen: list[dict[str, Any]] = []
    Cloud(stack).run(lambda: pulumi.Output.all(**exported).apply(seen.append))
    (outputs,) = seen
    assert outputs["apps"]["ner"]["urls"] == [f"{outputs['gateway']}/ner/"]
    assert outputs["apps"]["detector"]["urls"] == []
    assert outputs["services"]["grafana"] == f"{outputs['gateway']}/grafana/"
    assert "exec" in outputs["kubeconfig"]
    assert "generated" not in json.dumps(outputs)


@pytest.mark.parametrize(("stack", "kept_off"), [("prod", True), ("stage", False)])
def test_what_has_state_keeps_off_spot_nodes_where_there_are_others(stack: str, kept_off: bool) -> None:
    made = whole_as_written(stack).all("kubernetes:helm.sh/v3:Release")
    releases = {one["chart"]: one["values"] for one in made}
    prometheus = releases["kube-prometheus-stack"]["prometheus"]["prometheusSpec"]
    expected = NOT_ON_SPOT if kept_off else {}
    assert [placed["affinity"] for placed in (prometheus, releases["loki"]["singleBinary"])] == [expected, expected]
