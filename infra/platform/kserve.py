"""KServe: models as services of Knative, or as plain Deployments."""

from dataclasses import dataclass
from typing import Any

import pulumi

from infra import versions
from infra.platform.gate import Gate, GateArgs
from infra.platform.gateway import HOME, KNATIVE_LOCAL
from infra.platform.namespace import Allow, NamespaceArgs
from infra.platform.release import Chart, release

REPOSITORY = "oci://ghcr.io/kserve/charts"
NAMESPACE = NamespaceArgs([Allow("webhook", (9443,), pods={"control-plane": "kserve-controller-manager"})])
PROBE = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "probe"},
    "spec": {"predictor": {"containers": [{"name": "kserve-container", "image": "example.com/probe:1"}]}},
}


def chart(name: str) -> Chart:
    """One of KServe's charts; all at the same version."""
    return Chart(f"{REPOSITORY}/{name}", versions.KSERVE)


@dataclass(frozen=True)
class KServeArgs:
    """What KServe needs from its surroundings.

    Attributes:
        namespace: its own.
        domain: host name that apps answer at.
    """

    namespace: str
    domain: pulumi.Input[str]


class KServe(pulumi.ComponentResource):
    """KServe in the order that its parts need: definitions, controller, its webhook, runtimes."""

    def __init__(self, name: str, args: KServeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:KServe", name, None, opts)
        crds = release("kserve-crd", chart("kserve-crd"), args.namespace, {}, pulumi.ResourceOptions(parent=self))
        controller = release(
            "kserve",
            chart("kserve-resources"),
            args.namespace,
            values(args),
            pulumi.ResourceOptions(parent=self, depends_on=[crds]),
        )
        # The controller runs before its webhook has its certificate; what comes in between is refused
        # (kserve/kserve #4844, #4880, #5037).
        gate = Gate(
            "kserve-webhook",
            GateArgs(args.namespace, PROBE, "inferenceservices.serving.kserve.io", versions.KSERVE),
            pulumi.ResourceOptions(parent=self, depends_on=[controller]),
        )
        release(
            "kserve-runtimes",
            chart("kserve-runtime-configs"),
            args.namespace,
            {"kserve": {"servingruntime": {"enabled": True}}},
            pulumi.ResourceOptions(parent=self, depends_on=[gate.passed]),
        )
        self.register_outputs({})


def values(args: KServeArgs) -> dict[str, Any]:
    """What the controller is told."""
    return {
        "kserve": {
            "controller": {
                "deploymentMode": "Knative",
                "imagePullPolicy": "IfNotPresent",
                "resources": {"requests": {"cpu": "100m", "memory": "300Mi"}, "limits": {"memory": "500Mi"}},
                "gateway": {
                    "domain": args.domain,
                    "urlScheme": "https",
                    # The routes are ours: weights, mirroring and limits are said once for every target.
                    "disableIngressCreation": True,
                    "disableIstioVirtualHost": True,
                    "localGateway": {"gatewayService": f"{KNATIVE_LOCAL}.{HOME}.svc.cluster.local"},
                },
            },
            # An app that says nothing is small.
            "inferenceservice": {
                "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
            },
        }
    }
