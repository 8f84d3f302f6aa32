"""More nodes when pods find no place, and fewer when they stand idle."""

from dataclasses import dataclass
from typing import Any

import pulumi

from infra import versions
from infra.platform.istio import SECCOMP
from infra.platform.release import Chart, release

NAME = "cluster-autoscaler"
CHART = Chart(NAME, versions.CLUSTER_AUTOSCALER, "https://kubernetes.github.io/autoscaler")


@dataclass(frozen=True)
class AutoscalerArgs:
    """What the autoscaler needs from its surroundings.

    Attributes:
        cluster: name of the cluster whose node groups it moves.
        region: where they are.
        role: ARN of the IAM role that may move them.
    """

    cluster: pulumi.Input[str]
    region: str
    role: pulumi.Input[str]


class Autoscaler(pulumi.ComponentResource):
    """The cluster autoscaler, within the limits of each node group."""

    def __init__(self, name: str, args: AutoscalerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Autoscaler", name, None, opts)
        values: dict[str, Any] = {
            "autoDiscovery": {"clusterName": args.cluster},
            "awsRegion": args.region,
            "fullnameOverride": NAME,
            "rbac": {
                "serviceAccount": {"name": NAME, "annotations": {"eks.amazonaws.com/role-arn": args.role}},
            },
            "extraArgs": {"balance-similar-node-groups": True, "expander": "least-waste"},
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "fsGroup": 65534, "seccompProfile": SECCOMP},
            "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
        }
        release(NAME, CHART, "kube-system", values, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})
