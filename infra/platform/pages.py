"""The platform's own pages at the gateway."""

from dataclasses import dataclass

import pulumi

from infra.kubernetes import Manifest
from infra.platform.gateway import HOME, NAME


@dataclass(frozen=True)
class Page:
    """A page that a part has.

    Attributes:
        path: its prefix, which the part itself knows: nothing is rewritten.
        namespace: of the part.
        service: that serves it.
        port: of that service.
    """

    path: str
    namespace: str
    service: str
    port: int


PIPELINE = Page("/pipeline", "kubeflow", "ml-pipeline-ui", 3000)
MLFLOW = Page("/mlflow", "mlflow", "mlflow", 5000)
OBJECTS = Page("/minio", "object-store", "object-store-admin", 23646)
GRAFANA = Page("/grafana", "observability", "grafana", 80)


def route(page: Page, domain: pulumi.Input[str]) -> Manifest:
    """Leads to a page; who may see it, the login decides before."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": page.service, "namespace": page.namespace},
        "spec": {
            "parentRefs": [{"name": NAME, "namespace": HOME}],
            "hostnames": [domain],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": page.path}}],
                    "backendRefs": [{"name": page.service, "port": page.port}],
                }
            ],
        },
    }
