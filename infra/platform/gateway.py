"""The gateway: the one way in, for apps and for the platform's pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.kubernetes import Manifest, apply
from infra.platform.istio import SECCOMP, chart
from infra.platform.namespace import Allow, NamespaceArgs
from infra.platform.release import release
from infra.platform.surroundings import EdgeAt
from infra.platform.workload import disruption_budget

NAME, HOME = "gateway", "istio-ingress"
SELECTOR = {"istio": "ingressgateway"}
"""Knative's own gateways select these labels."""
HTTP, HTTPS, HEALTH, KNATIVE = 80, 443, 15021, 8081
NODE_PORT = 30443
"""Where every node leads to the gateway when there is no load balancer."""
CERTIFICATE = "gateway-certificate"
KNATIVE_LOCAL = "knative-local-gateway"
NAMESPACE = NamespaceArgs(
    [
        Allow("clients", (HTTP, HTTPS, HEALTH), pods=SELECTOR),
        Allow("cluster", (KNATIVE,), ("serving", "knative-serving"), SELECTOR),
    ],
    outside=True,
)


@dataclass(frozen=True)
class GatewayArgs:
    """What the gateway needs from its surroundings.

    Attributes:
        namespace: its own.
        domain: host name that it answers to.
        issuer: signs its certificate where no load balancer has one.
        edge: the load balancer before it; it then speaks HTTP to that alone.
        replicas: pods at least.
        routed: namespaces whose routes may join.
    """

    namespace: str
    domain: pulumi.Input[str]
    issuer: str
    edge: EdgeAt | None
    replicas: int
    routed: Sequence[str]


class Gateway(pulumi.ComponentResource):
    """Envoy at the edge of the mesh, and the Gateway that routes join."""

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Gateway", name, None, opts)
        envoy = release(NAME, chart("gateway"), args.namespace, values(args), pulumi.ResourceOptions(parent=self))
        after = pulumi.ResourceOptions(parent=self, depends_on=[envoy])
        made = {m["kind"] + m["metadata"]["name"]: apply(m, _called(name, m), after) for m in manifests(args)}
        if args.edge is None:
            first = apply(certificate(args), f"{name}-certificate", pulumi.ResourceOptions(parent=self))
        else:
            first = apply(binding(args.namespace, args.edge), f"{name}-binding", after)
        apply(
            listeners(args),
            name,
            pulumi.ResourceOptions(parent=self, depends_on=[envoy, first, *made.values()]),
        )
        self.register_outputs({})


def values(args: GatewayArgs) -> dict[str, Any]:
    """What the chart is told; its Service is ours, so that everybody sees what is open."""
    proxy = "gatewayTopology: {numTrustedProxies: 1}" if args.edge else ""
    annotations = {"podAnnotations": {"proxy.istio.io/config": proxy}} if proxy else {}
    return {
        "labels": SELECTOR,
        "service": {"type": "None"},
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": SECCOMP,
            # One of the settings that Kubernetes calls safe; lets Envoy listen on 80 without being root.
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
        },
        "autoscaling": {"enabled": True, "minReplicas": args.replicas, "maxReplicas": max(5, args.replicas)},
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "terminationGracePeriodSeconds": 60,
        **annotations,
    }


def manifests(args: GatewayArgs) -> list[Manifest]:
    """Services of the gateway's pods, and what keeps some of them up."""
    if args.edge:
        door = _door("ClusterIP", {"name": "http", "port": HTTP, "targetPort": HTTP})
    else:
        door = _door("NodePort", {"name": "https", "port": HTTPS, "targetPort": HTTPS, "nodePort": NODE_PORT})
    inner = {"selector": SELECTOR, "ports": [{"name": "http2", "port": HTTP, "targetPort": KNATIVE}]}
    made = [_service(args, NAME, door), _service(args, KNATIVE_LOCAL, {"type": "ClusterIP", **inner}), _grant(args)]
    if args.replicas > 1:
        budget = disruption_budget(NAME, args.namespace)
        budget["spec"]["selector"] = {"matchLabels": SELECTOR}
        made.append(budget)
    return made


def listeners(args: GatewayArgs) -> Manifest:
    """The Gateway itself: behind the load balancer it speaks HTTP, alone HTTPS and nothing else."""
    allowed = {
        "namespaces": {
            "from": "Selector",
            "selector": {
                "matchExpressions": [
                    {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(args.routed)}
                ]
            },
        }
    }
    plain = {"name": "http", "port": HTTP, "protocol": "HTTP", "allowedRoutes": allowed}
    secured = {
        "name": "https",
        "port": HTTPS,
        "protocol": "HTTPS",
        "hostname": args.domain,
        "tls": {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": CERTIFICATE}]},
        "allowedRoutes": allowed,
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": NAME, "namespace": args.namespace},
        "spec": {
            "gatewayClassName": "istio",
            # Joins the Deployment that is there; without it Istio would start another.
            "addresses": [{"type": "Hostname", "value": f"{NAME}.{HOME}.svc.cluster.local"}],
            "listeners": [plain if args.edge else secured],
        },
    }


def certificate(args: GatewayArgs) -> Manifest:
    """A certificate for the domain, from the cluster's own authority."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": CERTIFICATE, "namespace": args.namespace},
        "spec": {
            "secretName": CERTIFICATE,
            "dnsNames": [args.domain],
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "issuerRef": {"name": args.issuer, "kind": "ClusterIssuer", "group": "cert-manager.io"},
        },
    }


def binding(namespace: str, edge: EdgeAt) -> Manifest:
    """Keeps the gateway's pods in the load balancer's target group. Who may reach them, the stack has said already."""
    return {
        "apiVersion": "elbv2.k8s.aws/v1beta1",
        "kind": "TargetGroupBinding",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {
            "targetGroupARN": edge.target_group_arn,
            "targetType": "ip",
            "serviceRef": {"name": NAME, "port": HTTP},
        },
    }


def _door(kind: str, port: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "selector": SELECTOR, "ports": [port]}


def _service(args: GatewayArgs, name: str, spec: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": args.namespace},
        "spec": spec,
    }


def _grant(args: GatewayArgs) -> Manifest:
    """Lets routes of apps lead to Knative's services, which are known to its gateway by host name alone."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": KNATIVE_LOCAL, "namespace": args.namespace},
        "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "serving"}],
            "to": [{"group": "", "kind": "Service", "name": KNATIVE_LOCAL}],
        },
    }


def _called(name: str, manifest: Manifest) -> str:
    own = manifest["metadata"]["name"]
    return name if own == name else f"{name}-{own}"
