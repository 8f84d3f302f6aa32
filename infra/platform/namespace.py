"""A namespace that nobody reaches unless it says so, whose pods may want nothing from their node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from infra.kubernetes import Manifest, apply

METRICS = "observability"
"""Prometheus runs here, and may ask any pod for its metrics."""

Port = int | str


@dataclass(frozen=True)
class Allow:
    """A way in.

    Attributes:
        name: of the policy.
        ports: where it leads to; none is every port.
        sources: namespaces that may come; none is everybody: only for what the API server calls, which has no address
            that a policy could name, and for what the internet reaches.
        pods: labels of the pods that it leads to; none is all of them.
    """

    name: str
    ports: tuple[Port, ...]
    sources: tuple[str, ...] = ()
    pods: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Quota:
    """What all pods of a namespace take together at most.

    Attributes:
        pods: how many.
        cpu: cores requested.
        memory_gib: memory requested.
    """

    pods: int
    cpu: int
    memory_gib: int


@dataclass(frozen=True)
class NamespaceArgs:
    """What a namespace is for.

    Attributes:
        allows: ways in, beside pods of its own and Prometheus.
        closed: its pods do not reach each other or anything else either; every way in and out is named.
        labels: beside those for pod security.
        outside: Services of it may have a port on the nodes or a load balancer; the gateway's alone.
        quota: what it takes at most.
    """

    allows: Sequence[Allow] = ()
    closed: bool = False
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    outside: bool = False
    quota: Quota = Quota(pods=60, cpu=32, memory_gib=64)


class Namespace(pulumi.ComponentResource):
    """A namespace with its policies and limits; what depends on it finds them in place."""

    def __init__(self, name: str, args: NamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Namespace", name, None, opts)
        labels = {
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/warn": "restricted",
            "app.kubernetes.io/managed-by": "modelserve",
            **args.labels,
        }
        namespace = apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
            name,
            pulumi.ResourceOptions(parent=self),
        )
        inside = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        for manifest in (*policies(name, args), limits(name), quota(name, args)):
            apply(manifest, f"{name}-{manifest['metadata']['name']}", inside)
        self.register_outputs({})


def policies(name: str, args: NamespaceArgs) -> list[Manifest]:
    """Nobody gets in; then, one by one, who does."""
    made = [_policy(name, "default-deny", {"policyTypes": ["Ingress", "Egress"] if args.closed else ["Ingress"]})]
    if not args.closed:
        made.append(_ingress(name, "own-pods", {}, [{"podSelector": {}}], ()))
    prometheus = {"app.kubernetes.io/name": "prometheus"}
    made.append(_ingress(name, "metrics", {}, [{**_from(METRICS), "podSelector": {"matchLabels": prometheus}}], ()))
    for allow in args.allows:
        made.append(_ingress(name, allow.name, allow.pods, [_from(one) for one in allow.sources], allow.ports))
    return made


def limits(name: str) -> Manifest:
    """What a container gets that does not say what it needs; the charts' side-cars seldom do."""
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "containers", "namespace": name},
        "spec": {
            "limits": [
                {
                    "type": "Container",
                    "defaultRequest": {"cpu": "50m", "memory": "64Mi"},
                    # A container that asks for more has to say its limit itself.
                    "default": {"memory": "4Gi"},
                }
            ]
        },
    }


def quota(name: str, args: NamespaceArgs) -> Manifest:
    """What the namespace takes at most; no Service of it is reached from outside unless it is the gateway's."""
    doors = {} if args.outside else {"services.loadbalancers": "0", "services.nodeports": "0"}
    hard = {
        "pods": str(args.quota.pods),
        "requests.cpu": str(args.quota.cpu),
        "requests.memory": f"{args.quota.memory_gib}Gi",
        **doors,
    }
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "most", "namespace": name},
        "spec": {"hard": hard},
    }


def _from(namespace: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}


def _ingress(
    namespace: str, name: str, pods: Mapping[str, str], sources: Sequence[Mapping[str, Any]], ports: Sequence[Port]
) -> Manifest:
    rule: dict[str, Any] = {}
    if sources:
        rule["from"] = [dict(source) for source in sources]
    if ports:
        rule["ports"] = [{"port": port, "protocol": "TCP"} for port in ports]
    selector = {"matchLabels": dict(pods)} if pods else {}
    return _policy(namespace, name, {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": [rule]})


def _policy(namespace: str, name: str, spec: Mapping[str, Any]) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {}, **spec},
    }
