"""Who reaches an app's pods, and whom they reach."""

from typing import Any

import pytest

from tests.infra.serving.rendered import BACKED, RUNS, Manifest, one, pods, running, spec


def policy(way: str = "standard", **said: Any) -> Manifest:
    return one(running(way, **said), "NetworkPolicy", **BACKED)["spec"]


def namespaces(peers: list[Manifest]) -> set[str]:
    chosen = [peer["namespaceSelector"].get("matchLabels", {}) for peer in peers if "namespaceSelector" in peer]
    return {labels["kubernetes.io/metadata.name"] for labels in chosen if labels}


def reached(of: Manifest) -> dict[str, set[int]]:
    """Ports by namespace, or by network, that the pods may reach."""
    found: dict[str, set[int]] = {}
    for rule in of["egress"]:
        places = namespaces(rule["to"]) | {peer["ipBlock"]["cidr"] for peer in rule["to"] if "ipBlock" in peer}
        for place in places:
            found.setdefault(place, set()).update(port["port"] for port in rule.get("ports", []))
    return found


@pytest.mark.parametrize("way", RUNS)
def test_it_holds_for_all_pods_of_the_app_and_both_ways(way: str) -> None:
    of = policy(way)
    assert of["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "echo"}
    assert of["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize("way", RUNS)
def test_nothing_is_open_to_everybody(way: str) -> None:
    of = policy(way, needs=[] if way == "ray" else ["detector"], database=True, cache={"ttl_s": 1})
    assert all(rule["from"] for rule in of["ingress"])
    assert all(rule["to"] for rule in of["egress"])
    assert {} not in [peer for rule in of["ingress"] for peer in rule["from"]]


def test_the_gateway_comes_in() -> None:
    assert namespaces(policy()["ingress"][0]["from"]) == {"istio-ingress"}
    assert policy()["ingress"][0]["ports"] == [{"port": 8080, "protocol": "TCP"}]


def test_apps_come_in_that_say_they_need_it() -> None:
    caller = running("deployment", name="images", needs=["echo"])
    labels = one(caller, "Deployment")["spec"]["template"]["metadata"]["labels"]
    allowed = [peer["podSelector"]["matchLabels"] for peer in policy()["ingress"][0]["from"] if "podSelector" in peer]
    assert allowed == [{"modelserve/calls-echo": "true"}]
    assert allowed[0].items() <= labels.items()


def test_prometheus_comes_in_for_metrics() -> None:
    assert namespaces(policy()["ingress"][1]["from"]) == {"observability"}


def test_knatives_own_pods_come_in_where_it_runs_the_app() -> None:
    assert "knative-serving" in namespaces(policy("knative")["ingress"][0]["from"])
    assert "knative-serving" not in namespaces(policy("standard")["ingress"][0]["from"])


def test_rays_pods_reach_each_other_and_nobody_else_reaches_their_dashboard() -> None:
    of = policy("ray")
    own = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "echo"}}}
    assert of["ingress"][-1] == {"from": [own]}
    assert of["egress"][-1] == {"to": [own]}
    assert [port["port"] for port in of["ingress"][0]["ports"]] == [8000]


def test_an_app_reaches_names_the_mesh_and_its_models() -> None:
    assert reached(policy()) == {"istio-system": {15012}, "storage": {8333}}
    assert policy()["egress"][0]["ports"] == [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


def test_an_app_without_a_model_reaches_no_store() -> None:
    assert reached(policy("deployment", model=None)) == {"istio-system": {15012}}


def test_what_stands_outside_the_cluster_is_reached_by_its_port() -> None:
    asked = spec(database=True, cache={"ttl_s": 1})
    backed = {**BACKED, "s3_namespace": None}
    assert reached(one(asked, "NetworkPolicy", **backed)["spec"])["0.0.0.0/0"] == {5432, 6379, 443}


@pytest.mark.parametrize("said", [{}, {"internet": True}], ids=["inside", "internet"])
def test_nobody_reaches_the_nodes_own_rights(said: dict[str, Any]) -> None:
    backed = {**BACKED, "s3_namespace": None, "database_namespace": None}
    blocks = [
        peer["ipBlock"]
        for rule in one(spec(database=True, **said), "NetworkPolicy", **backed)["spec"]["egress"]
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert blocks
    assert all("169.254.169.254/32" in block["except"] for block in blocks)


def test_who_fetches_what_callers_name_reaches_the_internet_but_no_private_network() -> None:
    block = policy(internet=True)["egress"][-1]["to"][0]["ipBlock"]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} <= set(block["except"])


def test_who_needs_another_app_reaches_it() -> None:
    called = policy(needs=["detector"])["egress"][2]["to"]
    assert {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "detector"}}} in called


def test_pods_are_who_the_policy_takes_them_for() -> None:
    assert pods(spec())
    labels = one(spec(), "InferenceService")["spec"]["predictor"]["labels"]
    assert policy()["podSelector"]["matchLabels"].items() <= labels.items()
