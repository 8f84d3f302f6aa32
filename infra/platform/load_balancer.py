"""The controller that keeps the gateway's pods in the stack's load balancer. It makes no load balancer itself."""

from dataclasses import dataclass
from typing import Any

import pulumi

from infra import versions
from infra.platform.istio import SECCOMP
from infra.platform.release import Chart, release

NAME = "aws-load-balancer-controller"
CHART = Chart(NAME, versions.AWS_LOAD_BALANCER_CONTROLLER, "https://aws.github.io/eks-charts")


@dataclass(frozen=True)
class LoadBalancerArgs:
    """What the controller needs from its surroundings.

    Attributes:
        replicas: one leads.
        cluster: name of the cluster, which it writes on what it makes.
        region: of the load balancer.
        vpc_id: of the target group; it could not ask the node for it, nor should it.
        role: ARN of the IAM role that may move targets.
    """

    replicas: int
    cluster: pulumi.Input[str]
    region: str
    vpc_id: pulumi.Input[str]
    role: pulumi.Input[str]


class LoadBalancer(pulumi.ComponentResource):
    """AWS' controller, for TargetGroupBindings alone."""

    def __init__(self, name: str, args: LoadBalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:LoadBalancer", name, None, opts)
        release(NAME, CHART, "kube-system", values(args), pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


def values(args: LoadBalancerArgs) -> dict[str, Any]:
    """What the chart is told: nothing of what could make, change or guard a load balancer."""
    return {
        "clusterName": args.cluster,
        "region": args.region,
        "vpcId": args.vpc_id,
        "replicaCount": args.replicas,
        "serviceAccount": {"name": NAME, "annotations": {"eks.amazonaws.com/role-arn": args.role}},
        # Its own certificate would be another one at each upgrade.
        "enableCertManager": True,
        "createIngressClassResource": False,
        # Otherwise no Service at all can be made while it is away.
        "enableServiceMutatorWebhook": False,
        "enableBackendSecurityGroup": False,
        **dict.fromkeys(("enableShield", "enableWaf", "enableWafv2"), False),
        "podSecurityContext": {"fsGroup": 65534, "runAsNonRoot": True, "seccompProfile": SECCOMP},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "podDisruptionBudget": {"maxUnavailable": 1} if args.replicas > 1 else {},
    }
