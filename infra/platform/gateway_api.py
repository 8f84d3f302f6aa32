"""The definitions of the Gateway API: what routes are written in."""

import pulumi

from infra import versions
from infra.platform.release import Chart, release

CHART = Chart("gateway-api-crds", versions.GATEWAY_API, "https://wiremind.github.io/wiremind-helm-charts")


class GatewayApi(pulumi.ComponentResource):
    """Definitions alone; Istio serves them."""

    def __init__(self, name: str, namespace: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:GatewayApi", name, None, opts)
        release("gateway-api", CHART, namespace, {}, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})
