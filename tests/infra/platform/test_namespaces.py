"""Namespaces: nobody gets in who has no reason, and no pod wants more than Kubernetes lets it."""

import base64
from typing import Any

import pytest

from tests.infra.platform.cluster import PASSWORD, Watched, dev, prod

CLUSTERS = pytest.mark.parametrize("cluster", [dev, prod], ids=["dev", "prod"])
WORKLOADS = ("Deployment", "StatefulSet", "Job")


def namespaces(seen: Watched) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one["metadata"]["labels"] for one in seen.objects("Namespace")}


def policies(seen: Watched, namespace: str) -> dict[str, dict[str, Any]]:
    return {
        one["metadata"]["name"]: one["spec"]
        for one in seen.objects("NetworkPolicy")
        if one["metadata"]["namespace"] == namespace
    }


def pods(seen: Watched) -> list[tuple[str, dict[str, Any]]]:
    made = [one for kind in WORKLOADS for one in seen.objects(kind)]
    return [(one["metadata"]["name"], one["spec"]["template"]["spec"]) for one in made]


@CLUSTERS
def test_every_namespace_begins_with_a_policy_that_lets_nobody_in(cluster: Any) -> None:
    for name in namespaces(cluster()):
        first = policies(cluster(), name)["default-deny"]
        assert first["podSelector"] == {}
        assert "Ingress" in first["policyTypes"]
        assert "ingress" not in first


@CLUSTERS
def test_every_namespace_takes_only_restricted_pods(cluster: Any) -> None:
    assert {labels["pod-security.kubernetes.io/enforce"] for labels in namespaces(cluster()).values()} == {"restricted"}


@CLUSTERS
def test_every_namespace_has_limits_and_a_quota(cluster: Any) -> None:
    for kind in ("LimitRange", "ResourceQuota"):
        assert {one["metadata"]["namespace"] for one in cluster().objects(kind)} == set(namespaces(cluster()))


@CLUSTERS
def test_only_the_gateways_namespace_may_open_a_port_of_the_nodes(cluster: Any) -> None:
    closed = {
        one["metadata"]["namespace"]
        for one in cluster().objects("ResourceQuota")
        if one["spec"]["hard"].get("services.loadbalancers") == "0"
        and one["spec"]["hard"].get("services.nodeports") == "0"
    }
    assert set(namespaces(cluster())) - closed == {"istio-ingress"}


@CLUSTERS
def test_pods_of_apps_reach_nothing_that_is_not_named(cluster: Any) -> None:
    assert set(policies(cluster(), "serving")["default-deny"]["policyTypes"]) == {"Ingress", "Egress"}
    assert "own-pods" not in policies(cluster(), "serving")


@CLUSTERS
def test_everything_lies_in_a_namespace_that_is_made_here_or_with_the_agents_of_nodes(cluster: Any) -> None:
    places = {one["metadata"].get("namespace") for one in cluster().objects()} - {None}
    places |= {one["namespace"] for one in cluster().releases().values()}
    assert places <= {*namespaces(cluster()), "kube-system"}


@CLUSTERS
def test_who_may_come_in_comes_from_a_namespace_that_is_there_or_is_the_api_server_or_a_client(cluster: Any) -> None:
    known = {*namespaces(dev()), *namespaces(prod()), "kube-system"}
    anybody = set()
    for name in namespaces(cluster()):
        for called, spec in policies(cluster(), name).items():
            for rule in spec.get("ingress", []) if name != "serving" else []:
                sources = rule.get("from", [])
                if not sources:
                    anybody.add(called)
                    assert rule["ports"], f"{name}/{called} lets everybody to every port"
                for source in sources:
                    labels = source.get("namespaceSelector", {}).get("matchLabels", {})
                    assert set(labels.values()) <= known
    assert anybody <= {"webhook", "istio-webhook", "metrics-api", "clients"}


@CLUSTERS
def test_pods_get_a_token_of_the_api_server_only_with_an_account_of_their_own(cluster: Any) -> None:
    assert pods(cluster())
    for name, spec in pods(cluster()):
        assert not spec["automountServiceAccountToken"] or spec["serviceAccountName"] != "default", name


@CLUSTERS
def test_no_image_moves(cluster: Any) -> None:
    for name, spec in pods(cluster()):
        for container in spec["containers"]:
            tag = container["image"].rpartition("/")[2].partition(":")[2]
            assert tag, name
            assert "latest" not in tag


@CLUSTERS
def test_no_password_is_seen_anywhere_but_in_secrets(cluster: Any) -> None:
    for one in cluster().objects():
        if one["kind"] != "Secret":
            assert PASSWORD not in str(one), one["metadata"]["name"]
    for name, one in cluster().releases().items():
        assert PASSWORD not in str(one), name


@CLUSTERS
def test_every_password_is_generated(cluster: Any) -> None:
    for one in cluster().objects("Secret"):
        for key in ("password", "admin-password", "AWS_SECRET_ACCESS_KEY"):
            if key in one["data"]:
                assert base64.b64decode(one["data"][key]).decode().startswith(PASSWORD), one["metadata"]["name"]


def test_no_pod_of_two_leaves_the_cluster_without_any() -> None:
    guarded = {
        (one["metadata"]["namespace"], *one["spec"]["selector"]["matchLabels"].items())
        for one in prod().objects("PodDisruptionBudget")
    }
    for one in prod().objects("Deployment"):
        if one["spec"].get("replicas", 1) > 1 and one["metadata"]["namespace"] != "serving":
            labels = one["spec"]["selector"]["matchLabels"]
            assert (one["metadata"]["namespace"], *labels.items()) in guarded, one["metadata"]["name"]
