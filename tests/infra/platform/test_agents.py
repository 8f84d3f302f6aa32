"""Who carries traces and logs, moves nodes and runs Ray: what it is told names what is really there."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.infra.aws.stack import whole_as_written
from tests.infra.platform.cluster import RELEASE, dev, prod

TRACING = pytest.mark.parametrize("name", ["otel-collector", "jaeger"])


def told(name: str) -> dict[str, Any]:
    return json.loads(prod().object("ConfigMap", name)["data"]["configuration.yaml"])


def container(name: str) -> dict[str, Any]:
    [found] = prod().object("Deployment", name)["spec"]["template"]["spec"]["containers"]
    return found


def port(endpoint: str) -> int:
    return int(endpoint.rpartition(":")[2])


def listening(name: str) -> dict[str, int]:
    protocols = told(name)["receivers"]["otlp"]["protocols"]
    return {protocol: port(asked["endpoint"]) for protocol, asked in protocols.items()}


def led(name: str) -> dict[int, int]:
    """The ports of a Service, each with the port of the pod that it leads to."""
    return {one["port"]: one["targetPort"] for one in prod().object("Service", name)["spec"]["ports"]}


def let_in(app: dict[str, str]) -> list[tuple[set[str], set[int]]]:
    """Each rule for these pods of ``observability``: from which namespaces, to which ports."""
    return [
        (
            {peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in rule["from"]},
            {one["port"] for one in rule["ports"]},
        )
        for policy in prod().objects("NetworkPolicy")
        if policy["metadata"]["namespace"] == "observability" and policy["spec"]["podSelector"] == {"matchLabels": app}
        for rule in policy["spec"]["ingress"]
    ]


def test_the_collector_exports_to_where_jaeger_listens() -> None:
    [exporter] = told("otel-collector")["exporters"].values()
    host, _, asked = exporter["endpoint"].partition(":")
    service, pods = prod().object("Service", host), prod().object("Deployment", "jaeger")
    # A name without dots is one of the caller's own namespace.
    assert service["metadata"]["namespace"] == prod().object("Deployment", "otel-collector")["metadata"]["namespace"]
    assert service["spec"]["selector"].items() <= pods["spec"]["template"]["metadata"]["labels"].items()
    assert led(host)[int(asked)] == listening("jaeger")["grpc"]


def test_apps_find_the_collector_on_the_ports_that_it_listens_on() -> None:
    assert listening("otel-collector") == {"grpc": 4317, "http": 4318}
    assert led("otel-collector") == {4317: 4317, 4318: 4318}
    [(callers, ports)] = let_in({"app": "otel-collector"})
    assert "serving" in callers
    assert ports == {4317, 4318}


def test_the_mesh_sends_its_traces_to_the_collector() -> None:
    providers = prod().releases()["istiod"]["values"]["meshConfig"]["extensionProviders"]
    [asked] = [one["opentelemetry"] for one in providers if "opentelemetry" in one]
    assert asked["service"] == "otel-collector.observability.svc.cluster.local"
    assert led("otel-collector")[asked["port"]] == listening("otel-collector")["grpc"]


@TRACING
def test_no_pipeline_names_a_part_that_is_not_configured(name: str) -> None:
    configuration = told(name)
    assert set(configuration["service"]["extensions"]) == configuration["extensions"].keys()
    for kind, named in configuration["service"]["pipelines"]["traces"].items():
        assert set(named) == configuration[kind].keys(), kind


@TRACING
def test_a_configuration_is_read_from_where_it_is_mounted(name: str) -> None:
    [mounted] = [one["mountPath"] for one in container(name)["volumeMounts"] if one["name"] == "configuration"]
    # Jaeger 1 took flags, Jaeger 2 is a collector and takes its file.
    assert container(name)["args"] == [f"--config={mounted}/configuration.yaml"]


def test_jaeger_is_the_second_and_shows_what_it_keeps() -> None:
    assert re.search(r"/jaeger:2\.", container("jaeger")["image"])
    configuration = told("jaeger")
    [backend] = configuration["extensions"]["jaeger_storage"]["backends"]
    assert configuration["exporters"]["jaeger_storage_exporter"]["trace_storage"] == backend
    query = configuration["extensions"]["jaeger_query"]
    assert query["storage"]["traces"] == backend
    assert port(query["http"]["endpoint"]) in led("jaeger").values()


@pytest.mark.parametrize(
    ("name", "health", "path"),
    [
        ("otel-collector", lambda extensions: extensions["health_check"], "/"),
        # With ``use_v2`` it answers under /status alone, unless it is told another path.
        ("jaeger", lambda extensions: extensions["healthcheckv2"]["http"], "/status"),
    ],
    ids=["otel-collector", "jaeger"],
)
def test_health_is_asked_for_where_it_is_answered(name: str, health: Any, path: str) -> None:
    for probe in ("readinessProbe", "livenessProbe"):
        asked = container(name)[probe]["httpGet"]
        assert (asked["path"], asked["port"]) == (path, port(health(told(name)["extensions"])["endpoint"]))


def test_alloy_pushes_to_loki() -> None:
    alloy, loki = (prod().releases()[name] for name in ("alloy", "loki"))
    [url] = re.findall(r'url = "(.+)"', alloy["values"]["alloy"]["configMap"]["content"])
    asked = urlsplit(url)
    assert asked.hostname == f"{loki['values']['fullnameOverride']}.{loki['namespace']}.svc.cluster.local"
    # Loki's own port, which nobody told it to change.
    assert asked.port == 3100
    assert "server" not in loki["values"]["loki"]
    assert asked.path == "/loki/api/v1/push"
    assert let_in({"app.kubernetes.io/name": "loki"}) == [({alloy["namespace"]}, {asked.port})]


def test_alloy_runs_on_every_node_and_reads_its_logs() -> None:
    values = prod().releases()["alloy"]["values"]
    assert values["controller"] == {"type": "daemonset", "tolerations": [{"operator": "Exists"}]}
    assert values["alloy"]["mounts"] == {"varlog": True}


@pytest.mark.parametrize("stack", ["stage", "prod"])
def test_the_autoscaler_moves_the_nodes_of_its_own_cluster(stack: str) -> None:
    made = whole_as_written(stack)
    values = made.named(RELEASE, "cluster-autoscaler")["values"]
    assert values["autoDiscovery"] == {"clusterName": made.only("aws:eks/cluster:Cluster")["name"]}
    assert values["awsRegion"] == made.only("pulumi:providers:aws")["region"]


def test_a_laptop_has_no_autoscaler() -> None:
    assert "cluster-autoscaler" not in dev().releases()


def test_kuberay_watches_where_apps_are_and_nowhere_else() -> None:
    values = dev().releases()["kuberay-operator"]["values"]
    apps = {one["metadata"]["namespace"] for one in dev().objects("InferenceService")}
    assert set(values["watchNamespace"]) == apps
    # It would watch its own namespace, whatever the list says.
    assert not values["singleNamespaceInstall"]


def test_kuberay_has_a_namespace_of_its_own() -> None:
    operator = dev().releases()["kuberay-operator"]
    assert dev().object("Namespace", operator["namespace"])
    assert operator["namespace"] not in operator["values"]["watchNamespace"]
