"""The control plane, without a cloud: who reaches it, what it keeps, what it runs."""

import asyncio
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pulumi
import pytest
from lightkube import Client, KubeConfig
from lightkube.resources.core_v1 import Node
from pulumi_aws import eks

from infra import versions
from infra.aws.addons import Addons, AddonsArgs
from infra.aws.cluster import Cluster, ClusterArgs
from tests.infra.aws.cloud import Cloud

CLUSTER = "aws:eks/cluster:Cluster"
ADDON = "aws:eks/addon:Addon"
DEPLOYER = "arn:aws:iam::123456789012:role/deploy"


def args(**changes: Any) -> ClusterArgs:
    given: dict[str, Any] = {"admins": (DEPLOYER,), "protected": True}
    given |= changes
    return ClusterArgs(
        "eu-central-1", ["subnet-a"], secrets_key_arn="arn:secrets-key", log_key_arn="arn:log-key", **given
    )


@cache
def made(protected: bool = True, private: tuple[str, ...] = (), public: tuple[str, ...] = ()) -> tuple[Cloud, str]:
    cloud = Cloud()
    given = args(protected=protected, private_cidrs=private, public_cidrs=public)
    kubeconfig = cloud.run(lambda: Cluster("ms", given, cloud.opts).kubeconfig)
    return cloud, str(kubeconfig)


def control_plane(**changes: Any) -> dict[str, Any]:
    return made(**changes)[0].only(CLUSTER)


def test_the_api_is_private() -> None:
    assert control_plane()["vpcConfig"]["endpointPrivateAccess"]
    assert not control_plane()["vpcConfig"]["endpointPublicAccess"]


def test_an_allow_list_opens_the_api_to_itself_alone() -> None:
    access = control_plane(public=("192.0.2.0/24",))["vpcConfig"]
    assert access["endpointPublicAccess"]
    assert access["publicAccessCidrs"] == ["192.0.2.0/24"]


@pytest.mark.parametrize("door", ["public_cidrs", "private_cidrs"])
def test_an_allow_list_of_everybody_is_refused(door: str) -> None:
    with pytest.raises(ValueError, match="opens the cluster's API to everybody"):
        args(**{door: ("0.0.0.0/0",)})


def test_our_networks_reach_the_private_api_on_https() -> None:
    rule = made(private=("10.99.0.0/16",))[0].only("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert (rule["securityGroupId"], rule["cidrIpv4"], rule["fromPort"]) == ("sg-cluster", "10.99.0.0/16", 443)


def test_kubernetes_secrets_are_encrypted_by_our_key() -> None:
    assert control_plane()["encryptionConfig"] == {"provider": {"keyArn": "arn:secrets-key"}, "resources": ["secrets"]}


def test_the_control_plane_tells_everything_it_can() -> None:
    assert set(control_plane()["enabledClusterLogTypes"]) == {
        "api",
        "audit",
        "authenticator",
        "controllerManager",
        "scheduler",
    }


def test_its_logs_are_encrypted_and_not_kept_for_ever() -> None:
    log = made()[0].only("aws:cloudwatch/logGroup:LogGroup")
    assert log["name"] == "/aws/eks/ms/cluster"
    assert (log["kmsKeyId"], log["retentionInDays"]) == ("arn:log-key", 90)


def test_access_comes_from_entries_alone() -> None:
    assert control_plane()["accessConfig"] == {
        "authenticationMode": "API",
        "bootstrapClusterCreatorAdminPermissions": False,
    }
    assert made()[0].only("aws:eks/accessEntry:AccessEntry")["principalArn"] == DEPLOYER


def test_a_cluster_that_nobody_could_use_is_refused() -> None:
    with pytest.raises(ValueError, match="name the role that deploys"):
        args(admins=())


def test_network_addons_are_pinned_and_nothing_comes_unpinned() -> None:
    assert control_plane()["bootstrapSelfManagedAddons"] is False
    assert {a["addonName"]: a["addonVersion"] for a in made()[0].all(ADDON)} == {
        "vpc-cni": versions.VPC_CNI,
        "kube-proxy": versions.KUBE_PROXY,
    }


def test_nodes_come_after_the_network_addons_and_go_before_them() -> None:
    behind: set[pulumi.Resource] = set()

    def program() -> pulumi.Output[str]:
        name = Cluster("ms", args()).name
        asyncio.ensure_future(name.resources()).add_done_callback(lambda done: behind.update(done.result()))
        return name

    Cloud().run(program)
    assert len([r for r in behind if isinstance(r, eks.Addon)]) == 2


def test_pods_get_identities_from_the_clusters_own_provider() -> None:
    provider = made()[0].only("aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    assert provider["url"] == "https://oidc.example/id/1"
    assert provider["clientIdLists"] == ["sts.amazonaws.com"]


def test_the_kubeconfig_holds_no_credential() -> None:
    (user,) = json.loads(made()[1])["users"]
    assert list(user["user"]) == ["exec"]
    assert user["user"]["exec"]["args"][2:4] == ["eks", "get-token"]


def test_whoever_holds_the_kubeconfig_comes_in_with_a_token_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = json.dumps({"apiVersion": "client.authentication.k8s.io/v1beta1", "status": {"token": "mine"}})
    aws = tmp_path / "aws"
    aws.write_text(f"#!/bin/sh\necho '{token}'\n")
    aws.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    config = json.loads(made()[1])
    # Its certificate authority is not one, here.
    config["clusters"][0]["cluster"] = {"server": "http://eks.example"}
    shown: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        shown.append(request.headers["Authorization"])
        return httpx2.Response(200, json={"items": [], "metadata": {}})

    list(Client(KubeConfig.from_dict(config), transport=httpx2.MockTransport(answer)).list(Node))
    assert shown == ["Bearer mine"]


def test_a_protected_cluster_refuses_to_go() -> None:
    assert control_plane()["deletionProtection"]
    assert all(options.protect for options in made()[0].option(CLUSTER))


def test_an_unprotected_cluster_goes() -> None:
    assert not control_plane(protected=False)["deletionProtection"]
    assert not any(options.protect for options in made(protected=False)[0].option(CLUSTER))


def test_addons_that_need_nodes_are_pinned() -> None:
    cloud = Cloud()

    def program() -> None:
        Addons("ms", AddonsArgs("ms", "arn:oidc", "oidc.example/id/1"))

    cloud.run(program)
    assert {a["addonName"]: a["addonVersion"] for a in cloud.all(ADDON)} == {
        "coredns": versions.COREDNS,
        "metrics-server": versions.METRICS_SERVER,
        "aws-ebs-csi-driver": versions.EBS_CSI,
    }
