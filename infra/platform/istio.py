"""The mesh: pods that take part prove who they are to each other, and clear text is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.namespace import Allow, NamespaceArgs
from infra.platform.release import Chart, release

REPOSITORY = "https://istio-release.storage.googleapis.com/charts"
SYSTEM = "istio-system"
ISTIOD = {"app": "istiod"}
SECCOMP = {"type": "RuntimeDefault"}
LOGIN = "login"
"""Name under which policies ask who may see the pages of the platform."""
TRACES = "traces"

XDS, WEBHOOK = 15012, 15017
NAMESPACE = NamespaceArgs(
    [
        Allow("webhook", (WEBHOOK,), pods=ISTIOD),
        Allow("proxies", (XDS,), ("serving", "istio-ingress", "knative-serving"), ISTIOD),
    ]
)


def chart(name: str) -> Chart:
    """One of Istio's charts; all at the same version."""
    return Chart(name, versions.ISTIO, REPOSITORY)


@dataclass(frozen=True)
class IstioArgs:
    """What the mesh needs from its surroundings.

    Attributes:
        namespace: its own.
        replicas: of istiod.
        login: host name and port of the service that knows who may see the platform's pages.
        traces: host name and port that takes traces (OTLP over gRPC); none traces nothing.
        sampled_percent: share of requests that are traced.
    """

    namespace: str
    replicas: int
    login: tuple[str, int]
    traces: tuple[str, int] | None = None
    sampled_percent: float = 5


class Istio(pulumi.ComponentResource):
    """Istio, strict: definitions, the node's part, the control plane, and what holds for the whole mesh."""

    def __init__(self, name: str, args: IstioArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Istio", name, None, opts)
        base = release("istio-base", chart("base"), args.namespace, {}, pulumi.ResourceOptions(parent=self))
        after = pulumi.ResourceOptions(parent=self, depends_on=[base])
        # Needs the node, so it lives with the other agents of nodes. With it pods of the mesh need no rights to
        # redirect their own traffic, and their namespaces can be restricted.
        cni = release("istio-cni", chart("cni"), "kube-system", {"resources": {"requests": {"cpu": "20m"}}}, after)
        istiod = release(
            "istiod",
            chart("istiod"),
            args.namespace,
            values(args),
            pulumi.ResourceOptions(parent=self, depends_on=[base, cni]),
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[istiod])
        for manifest in mesh_wide(args):
            apply(manifest, f"{name}-{manifest['kind'].lower()}", after)
        self.register_outputs({})


def values(args: IstioArgs) -> dict[str, Any]:
    """What istiod is told."""
    host, port = args.login
    providers: list[dict[str, Any]] = [
        {
            "name": LOGIN,
            "envoyExtAuthzHttp": {
                "service": host,
                "port": port,
                "timeout": "2s",
                "includeRequestHeadersInCheck": ["authorization"],
                "headersToDownstreamOnDeny": ["www-authenticate"],
            },
        }
    ]
    if args.traces:
        providers.append({"name": TRACES, "opentelemetry": {"service": args.traces[0], "port": args.traces[1]}})
    return {
        "autoscaleEnabled": False,
        "replicaCount": args.replicas,
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        "seccompProfile": SECCOMP,
        "cni": {"enabled": True},
        "global": {
            "defaultPodDisruptionBudget": {"enabled": args.replicas > 1},
            "proxy": {"seccompProfile": SECCOMP},
        },
        "meshConfig": {
            # Policies and routes see one path: ``//grafana`` is not a way around the policy for ``/grafana``.
            "pathNormalization": {"normalization": "DECODE_AND_MERGE_SLASHES"},
            "extensionProviders": providers,
            "defaultConfig": {
                # An app starts when its proxy can carry what it sends, and its proxy ends after it.
                "holdApplicationUntilProxyStarts": True,
                "terminationDrainDuration": "30s",
            },
        },
    }


def mesh_wide(args: IstioArgs) -> Sequence[Manifest]:
    """What holds for every pod of the mesh, because it stands in istiod's own namespace."""
    made: list[Manifest] = [
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": {"name": "default", "namespace": args.namespace},
            "spec": {"mtls": {"mode": "STRICT"}},
        }
    ]
    if args.traces:
        made.append(
            {
                "apiVersion": "telemetry.istio.io/v1",
                "kind": "Telemetry",
                "metadata": {"name": "default", "namespace": args.namespace},
                "spec": {
                    "tracing": [{"providers": [{"name": TRACES}], "randomSamplingPercentage": args.sampled_percent}]
                },
            }
        )
    return made
