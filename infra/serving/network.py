"""Who reaches an app's pods, and whom they reach: whoever has a reason, and nobody else."""

from infra.kubernetes import Manifest
from infra.serving.cluster import Around
from infra.serving.contract import asks_registry
from infra.serving.pod import PORT, calls
from infra.serving.ray import METRICS_PORT
from infra.serving.revision import RAY_PORT, of_app
from infra.serving.spec import ServingSpec

QUEUE_PROXY = (8012, 8013, 8112, 9090, 9091)
"""Knative's own container in a pod: requests in clear and over TLS, and how many there are."""
MESH_METRICS = 15020
"""Metrics of a pod's proxy, and with them the app's."""
METADATA_SERVICE = "169.254.169.254/32"
"""Of the node, in every cloud: a role's rights for whoever asks."""
PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
"""Where nothing of the internet is, but other people's services may be (RFC 1918, RFC 6598)."""
POSTGRES, REDIS, HTTPS, S3, MLFLOW = 5432, 6379, 443, 8333, 5000
"""The one of S3 is SeaweedFS's."""


def render(spec: ServingSpec, around: Around) -> list[Manifest]:
    """The NetworkPolicy of all pods of an app."""
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": spec.name, "namespace": around.namespace, "labels": of_app(spec.name)},
            "spec": {
                "podSelector": {"matchLabels": of_app(spec.name)},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": _ingress(spec, around),
                "egress": _egress(spec, around),
            },
        }
    ]


def _ingress(spec: ServingSpec, around: Around) -> list[Manifest]:
    gateway = around.gateway.split("/")[0]
    on_knative = spec.way == "knative"
    answers = RAY_PORT if spec.way == "ray" else PORT
    requests = _tcp(answers, *(QUEUE_PROXY if on_knative else ()))
    callers = [{"podSelector": {"matchLabels": {calls(spec.name): "true"}}}, _namespace(gateway)]
    if on_knative:
        callers += [_namespace(around.knative_namespace), _namespace(around.knative_gateway.split("/")[0])]
    metrics = _tcp(METRICS_PORT if spec.way == "ray" else PORT, MESH_METRICS)
    rules: list[Manifest] = [
        {"from": _distinct(callers), "ports": requests},
        {"from": [_namespace(around.metrics_namespace)], "ports": metrics},
    ]
    return [*rules, {"from": [_own(spec)]}] if spec.way == "ray" else rules


def _egress(spec: ServingSpec, around: Around) -> list[Manifest]:
    rules: list[Manifest] = [
        {
            "to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
            "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
        },
        {"to": [_namespace(around.mesh_namespace)], "ports": _tcp(15012)},
    ]
    if spec.needs:
        called: list[Manifest] = [{"podSelector": {"matchLabels": of_app(need)}} for need in spec.needs]
        # One that scales to zero is called through the gateway that wakes it.
        rules.append({"to": [*called, _namespace(around.knative_gateway.split("/")[0])]})
    if spec.database:
        rules.append(_backing(around.database_namespace, POSTGRES))
    if spec.cache.ttl_s:
        rules.append(_backing(around.cache_namespace, REDIS))
    if spec.model or spec.objects:
        rules.append(_backing(around.s3_namespace, S3 if around.s3_namespace else HTTPS))
    if around.registry_url and asks_registry(spec):
        rules.append(_backing(around.registry_namespace, MLFLOW))
    if spec.internet:
        outside = {"ipBlock": {"cidr": "0.0.0.0/0", "except": [METADATA_SERVICE, *PRIVATE]}}
        rules.append({"to": [outside], "ports": _tcp(80, HTTPS)})
    if spec.way == "ray":
        rules.append({"to": [_own(spec)]})
    return rules


def _backing(namespace: str | None, port: int) -> Manifest:
    """What an app stands on: in a namespace, or outside, where addresses change."""
    where = _namespace(namespace) if namespace else {"ipBlock": {"cidr": "0.0.0.0/0", "except": [METADATA_SERVICE]}}
    return {"to": [where], "ports": _tcp(port)}


def _namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _own(spec: ServingSpec) -> Manifest:
    return {"podSelector": {"matchLabels": of_app(spec.name)}}


def _tcp(*ports: int) -> list[Manifest]:
    return [{"port": port, "protocol": "TCP"} for port in ports]


def _distinct(peers: list[Manifest]) -> list[Manifest]:
    return [peer for at, peer in enumerate(peers) if peer not in peers[:at]]
