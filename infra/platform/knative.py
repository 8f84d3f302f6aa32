"""Knative Serving: revisions, scale to zero, and the traffic between them."""

from dataclasses import dataclass

import pulumi

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.gateway import HOME, KNATIVE_LOCAL
from infra.platform.namespace import Allow, NamespaceArgs
from infra.platform.release import Chart, release

OPERATOR, HOME_OF_SERVING = "knative-operator", "knative-serving"
CHART = Chart(OPERATOR, versions.KNATIVE_OPERATOR, "https://knative.github.io/operator")
WEBHOOK, ACTIVATOR, AUTOSCALER = 8443, (8012, 8013), 8080
OPERATOR_NAMESPACE = NamespaceArgs([Allow("webhook", (WEBHOOK,), pods={"app": "operator-webhook"})])
NAMESPACE = NamespaceArgs(
    [
        Allow("webhook", (WEBHOOK,), pods={"app": "webhook"}),
        Allow("istio-webhook", (WEBHOOK,), pods={"app": "net-istio-webhook"}),
        Allow("requests", ACTIVATOR, (HOME, "serving"), {"app": "activator"}),
    ]
)
IN_MESH = ("activator", "autoscaler")
"""What requests pass; the others talk to the API server alone, which is not in the mesh."""


@dataclass(frozen=True)
class KnativeArgs:
    """What Knative needs from its surroundings.

    Attributes:
        operator_namespace: of its operator.
        namespace: its own.
        replicas: of its parts.
    """

    operator_namespace: str
    namespace: str
    replicas: int


class Knative(pulumi.ComponentResource):
    """Knative through its operator, which alone has a chart; routed by Istio."""

    def __init__(self, name: str, args: KnativeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Knative", name, None, opts)
        operator = release(OPERATOR, CHART, args.operator_namespace, {}, pulumi.ResourceOptions(parent=self))
        apply(settings(args), name, pulumi.ResourceOptions(parent=self, depends_on=[operator]))
        self.register_outputs({})


def settings(args: KnativeArgs) -> Manifest:
    """What the operator makes."""
    gateway = f"{KNATIVE_LOCAL}.{HOME}.svc.cluster.local"
    return {
        "apiVersion": "operator.knative.dev/v1beta1",
        "kind": "KnativeServing",
        "metadata": {
            "name": HOME_OF_SERVING,
            "namespace": args.namespace,
            # The operator goes on for a minute after the object is there.
            "annotations": {"pulumi.com/waitFor": "condition=Ready"},
        },
        "spec": {
            "version": versions.KNATIVE,
            "high-availability": {"replicas": args.replicas},
            "ingress": {"istio": {"enabled": True}},
            "workloads": [{"name": part, "labels": {"sidecar.istio.io/inject": "true"}} for part in IN_MESH],
            "config": {
                # No service of Knative's is known outside; the way in is a route of an app, with its limits.
                "domain": {"svc.cluster.local": ""},
                "istio": {
                    "local-gateways": f"- name: {KNATIVE_LOCAL}\n  namespace: {HOME_OF_SERVING}\n  service: {gateway}\n"
                },
                "features": {
                    "kubernetes.podspec-affinity": "enabled",
                    "kubernetes.podspec-nodeselector": "enabled",
                    "kubernetes.podspec-tolerations": "enabled",
                    "kubernetes.podspec-securitycontext": "enabled",
                    "kubernetes.podspec-fieldref": "enabled",
                    "secure-pod-defaults": "enabled",
                },
                # Tags by which an image is named here stand for its content already.
                "deployment": {"registries-skipping-tag-resolving": "localhost:5001,kind.local,dev.local"},
                "defaults": {"enable-service-links": "false"},
            },
        },
    }
