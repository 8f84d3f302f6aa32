"""The machines, without a cloud: how each kind starts, and what it must not leave open."""

import json
from base64 import b64decode
from functools import cache
from typing import Any

import pytest

from infra.aws.node_config import efa_interfaces, user_data
from infra.aws.node_groups import Kind, NodeGroup, NodeGroupArgs, WorkingHours
from tests.infra.aws.cloud import Cloud

GROUP = "aws:eks/nodeGroup:NodeGroup"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
SCHEDULE = "aws:autoscaling/schedule:Schedule"
TYPES: dict[Kind, tuple[str, ...]] = {
    "general": ("m7i.xlarge",),
    "memory": ("r7i.2xlarge",),
    "gpu": ("p4d.24xlarge",),
    "spot": ("m7i.xlarge", "m6i.xlarge", "m5.xlarge"),
}


def args(kind: Kind = "general", types: tuple[str, ...] | None = None, **changes: Any) -> NodeGroupArgs:
    given: dict[str, Any] = {"size": (1, 2, 5), "disk_gib": 100, "tags": {"project": "modelserve"}}
    given |= changes
    subnets = ["subnet-a", "subnet-b", "subnet-c"]
    return NodeGroupArgs(kind, "ms", "sg-cluster", "vpc-1", subnets, "arn:key", types or TYPES[kind], **given)


@cache
def made(kind: Kind = "general", **changes: Any) -> Cloud:
    cloud = Cloud()
    cloud.run(lambda: NodeGroup("nodes", args(kind, **changes), cloud.opts).autoscaling_group)
    return cloud


@pytest.mark.parametrize("kind", TYPES)
def test_no_pod_gets_the_credentials_of_its_node(kind: Kind) -> None:
    assert made(kind).only(TEMPLATE)["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }


@pytest.mark.parametrize("kind", TYPES)
def test_disks_are_encrypted_by_our_key(kind: Kind) -> None:
    (disk,) = made(kind).only(TEMPLATE)["blockDeviceMappings"]
    assert disk["ebs"]["volumeType"] == "gp3"
    assert (disk["ebs"]["encrypted"], disk["ebs"]["kmsKeyId"]) == ("true", "arn:key")


def test_machines_disks_and_interfaces_carry_our_tags() -> None:
    tagged = made().only(TEMPLATE)["tagSpecifications"]
    assert {t["resourceType"] for t in tagged} == {"instance", "volume", "network-interface"}
    assert all(t["tags"]["project"] == "modelserve" for t in tagged)


def test_nobody_logs_in_with_a_key() -> None:
    assert "keyName" not in made().only(TEMPLATE)
    assert "remoteAccess" not in made().only(GROUP)


@pytest.mark.parametrize(
    ("kind", "ami", "capacity"),
    [
        ("general", "AL2023_x86_64_STANDARD", "ON_DEMAND"),
        ("memory", "AL2023_x86_64_STANDARD", "ON_DEMAND"),
        ("gpu", "AL2023_x86_64_NVIDIA", "ON_DEMAND"),
        ("spot", "AL2023_x86_64_STANDARD", "SPOT"),
    ],
)
def test_each_kind_has_its_image_and_capacity(kind: Kind, ami: str, capacity: str) -> None:
    group = made(kind).only(GROUP)
    assert (group["amiType"], group["capacityType"]) == (ami, capacity)


@pytest.mark.parametrize("kind", TYPES)
def test_pods_choose_a_kind_by_label(kind: Kind) -> None:
    assert made(kind).only(GROUP)["labels"]["modelserve/pool"] == kind


@pytest.mark.parametrize(("kind", "effects"), [("general", []), ("memory", ["NO_SCHEDULE"]), ("gpu", ["NO_SCHEDULE"])])
def test_costly_nodes_keep_others_away(kind: Kind, effects: list[str]) -> None:
    assert [taint["effect"] for taint in made(kind).only(GROUP)["taints"]] == effects


def test_spot_nodes_alone_still_run_everything() -> None:
    assert [taint["effect"] for taint in made("spot").only(GROUP)["taints"]] == ["PREFER_NO_SCHEDULE"]


def kubelet(gpu: bool) -> dict[str, Any]:
    document = b64decode(user_data(pin_to_numa=gpu)).decode()
    return json.loads(document[document.index("{") : document.rindex("}") + 1])["spec"]["kubelet"]["config"]


def test_gpu_pods_get_cores_beside_their_gpu() -> None:
    assert kubelet(gpu=True) == {
        "maxPods": 110,
        "cpuManagerPolicy": "static",
        "topologyManagerPolicy": "restricted",
    }


def test_other_nodes_share_their_cores() -> None:
    assert kubelet(gpu=False) == {"maxPods": 110}


def test_the_nodes_configuration_is_a_part_that_nodeadm_reads() -> None:
    lines = b64decode(user_data(pin_to_numa=True)).decode().splitlines()
    assert lines[1] == 'Content-Type: multipart/mixed; boundary="NODE"'
    assert lines[3:5] == ["--NODE", "Content-Type: application/node.eks.aws"]
    assert lines[-1] == "--NODE--"


def test_every_network_card_with_efa_gets_an_interface() -> None:
    interfaces = made("gpu").only(TEMPLATE)["networkInterfaces"]
    assert [i["networkCardIndex"] for i in interfaces] == [0, 1, 2, 3]
    assert [i["interfaceType"] for i in interfaces] == ["efa", "efa-only", "efa-only", "efa-only"]


def test_machines_with_efa_stand_together_in_one_zone() -> None:
    cloud = made("gpu")
    assert cloud.only("aws:ec2/placementGroup:PlacementGroup")["strategy"] == "cluster"
    assert cloud.only(GROUP)["subnetIds"] == ["subnet-a"]


def test_efa_reaches_its_own_group_alone() -> None:
    for way in ("Ingress", "Egress"):
        rule = made("gpu").only(f"aws:vpc/securityGroup{way}Rule:SecurityGroup{way}Rule")
        assert rule["referencedSecurityGroupId"] == rule["securityGroupId"]


def test_machines_without_efa_spread_over_the_zones() -> None:
    cloud = made("gpu", types=("g5.xlarge",))
    assert cloud.none("aws:ec2/placementGroup:PlacementGroup")
    assert cloud.only(TEMPLATE)["vpcSecurityGroupIds"] == ["sg-cluster"]
    assert len(cloud.only(GROUP)["subnetIds"]) == 3


@pytest.mark.parametrize(
    ("types", "interfaces"),
    [(("p5.48xlarge",), 32), (("g5.8xlarge", "g6.8xlarge"), 1), (("g5.8xlarge", "g5.xlarge"), 0), (("m7i.large",), 0)],
)
def test_efa_is_used_only_where_every_type_has_as_much(types: tuple[str, ...], interfaces: int) -> None:
    assert efa_interfaces(types) == interfaces


def test_outside_working_hours_the_group_shrinks_and_comes_back() -> None:
    evening, morning = made(hours=WorkingHours("Europe/Berlin")).all(SCHEDULE)
    assert (evening["recurrence"], evening["minSize"], evening["desiredCapacity"]) == ("0 20 * * 1-5", 0, 0)
    assert (morning["recurrence"], morning["minSize"], morning["desiredCapacity"]) == ("0 7 * * 1-5", 1, 2)
    assert evening["timeZone"] == morning["timeZone"] == "Europe/Berlin"


def test_the_autoscaler_cannot_bring_back_at_night_what_went_in_the_evening() -> None:
    evening, morning = made(hours=WorkingHours("Europe/Berlin")).all(SCHEDULE)
    assert (evening["maxSize"], morning["maxSize"]) == (0, 5)


def test_without_hours_the_group_keeps_its_size() -> None:
    assert made().none(SCHEDULE)


def test_an_update_does_not_undo_what_the_autoscaler_did() -> None:
    assert all(options.ignore_changes == ["scalingConfig.desiredSize"] for options in made().option(GROUP))


def test_the_device_plugin_finds_how_a_gpu_is_shared() -> None:
    shared = made("gpu", gpu_sharing="mig", mig_profile="1g.5gb")
    assert shared.only(GROUP)["labels"]["nvidia.com/device-plugin.config"] == "mig"


def test_nodes_cut_their_gpus_where_pods_share_them_by_mig_and_nowhere_else() -> None:
    def started(**changes: Any) -> str:
        return b64decode(made("gpu", **changes).only(TEMPLATE)["userData"]).decode()

    assert "cut-gpus 3g.20gb,3g.20gb" in started(gpu_sharing="mig", mig_profile="3g.20gb")
    assert all("cut-gpus" not in started(**changes) for changes in ({}, {"gpu_sharing": "time-slicing"}))


@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        ("spot", {"types": ("m7i.xlarge",)}, "give at least 3 instance types"),
        ("general", {"gpu_sharing": "mig"}, "only gpu nodes have one to share"),
        ("gpu", {"types": ("g5.xlarge",), "gpu_sharing": "mig"}, "GPUs of g5.xlarge cannot be sliced"),
        ("gpu", {"gpu_sharing": "mig"}, "mig_profile is missing"),
        ("general", {"size": (3, 2, 5)}, "give least <= first <= most"),
        ("general", {"size": (0, 0, 0)}, "most at least 1"),
        ("general", {"hours": WorkingHours("UTC", size_outside=2)}, "size_outside is 2, above the size at least, 1"),
    ],
)
def test_a_group_that_cannot_work_is_refused(kind: Kind, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        args(kind, **changes)
