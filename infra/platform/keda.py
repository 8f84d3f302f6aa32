"""KEDA: more pods when a queue grows, or at a time of day."""

import pulumi

from infra import versions
from infra.platform.namespace import Allow, NamespaceArgs
from infra.platform.release import Chart, release

CHART = Chart("keda", versions.KEDA, "https://kedacore.github.io/charts")
NAMESPACE = NamespaceArgs(
    [
        Allow("webhook", (9443,), pods={"app": "keda-admission-webhooks"}),
        # The API server asks for external metrics here.
        Allow("metrics-api", (6443,), pods={"app": "keda-operator-metrics-apiserver"}),
    ]
)


class Keda(pulumi.ComponentResource):
    """The operator and its metrics server."""

    def __init__(self, name: str, namespace: str, replicas: int, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Keda", name, None, opts)
        parts = ("operator", "metricsServer", "webhooks")
        values = {
            **{part: {"replicaCount": replicas} for part in parts},
            "prometheus": {"operator": {"enabled": True}, "metricServer": {"enabled": True}},
        }
        release("keda", CHART, namespace, values, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})
