"""Certificates: of webhooks everywhere, and of the gateway where no load balancer brings one."""

from dataclasses import dataclass
from typing import Any

import pulumi

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.namespace import Allow, NamespaceArgs
from infra.platform.release import Chart, release

NAMESPACE = NamespaceArgs([Allow("webhook", (10250,), pods={"app.kubernetes.io/component": "webhook"})])
CHART = Chart("cert-manager", versions.CERT_MANAGER, "https://charts.jetstack.io")
ISSUER = "platform-ca"
"""Issues certificates that only clients trust who were given its own."""


@dataclass(frozen=True)
class CertManagerArgs:
    """What cert-manager needs from its surroundings.

    Attributes:
        namespace: its own.
        replicas: of controller and webhook.
    """

    namespace: str
    replicas: int


class CertManager(pulumi.ComponentResource):
    """cert-manager and an authority of the cluster's own, in the order in which they work."""

    def __init__(self, name: str, args: CertManagerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:CertManager", name, None, opts)
        budget = {"enabled": args.replicas > 1}
        values: dict[str, Any] = {
            "crds": {"enabled": True, "keep": False},
            "replicaCount": args.replicas,
            "podDisruptionBudget": budget,
            "webhook": {"replicaCount": args.replicas, "podDisruptionBudget": budget},
            # A job of the chart that ends when the webhook answers: only then is the release done.
            "startupapicheck": {"enabled": True, "timeout": "5m"},
            "prometheus": {"enabled": True},
        }
        chart = release("cert-manager", CHART, args.namespace, values, pulumi.ResourceOptions(parent=self))
        before: pulumi.Resource = chart
        for manifest in authority(args.namespace):
            before = apply(
                manifest,
                f"{name}-{manifest['kind'].lower()}-{manifest['metadata']['name']}",
                pulumi.ResourceOptions(parent=self, depends_on=[chart, before]),
            )
        self.register_outputs({})


def authority(namespace: str) -> list[Manifest]:
    """An authority that signs itself, and the issuer that signs with it."""
    api = "cert-manager.io/v1"
    return [
        {
            "apiVersion": api,
            "kind": "ClusterIssuer",
            "metadata": {"name": "self-signed"},
            "spec": {"selfSigned": {}},
        },
        {
            "apiVersion": api,
            "kind": "Certificate",
            "metadata": {"name": ISSUER, "namespace": namespace},
            "spec": {
                "isCA": True,
                "commonName": "modelserve",
                "secretName": ISSUER,
                "duration": "87600h",
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
                "issuerRef": {"name": "self-signed", "kind": "ClusterIssuer", "group": "cert-manager.io"},
            },
        },
        {
            "apiVersion": api,
            "kind": "ClusterIssuer",
            "metadata": {"name": ISSUER},
            "spec": {"ca": {"secretName": ISSUER}},
        },
    ]
