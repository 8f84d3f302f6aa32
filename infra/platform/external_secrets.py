"""Secrets that AWS keeps, as Secrets of the cluster: in the namespaces that need them, and in no other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.namespace import Allow, NamespaceArgs
from infra.platform.release import Chart, release

NAME = "external-secrets"
CHART = Chart(NAME, versions.EXTERNAL_SECRETS, "https://charts.external-secrets.io")
NAMESPACE = NamespaceArgs([Allow("webhook", (10250,), pods={"app.kubernetes.io/name": f"{NAME}-webhook"})])
STORE = "aws"


@dataclass(frozen=True)
class ExternalSecretsArgs:
    """What the operator needs from its surroundings.

    Attributes:
        namespace: its own.
        replicas: of its parts.
        region: where the secrets are.
        role: ARN of the IAM role that may read them.
        readers: namespaces that may ask for them.
    """

    namespace: str
    replicas: int
    region: str
    role: pulumi.Input[str]
    readers: Sequence[str]


@dataclass(frozen=True)
class Remote:
    """A value in Secrets Manager.

    Attributes:
        arn: of the secret.
        key: in its JSON; none takes all of it.
    """

    arn: pulumi.Input[str]
    key: str | None = None


class ExternalSecrets(pulumi.ComponentResource):
    """The operator, and the one place that it reads."""

    store: pulumi.CustomResource
    """Secrets Manager; what is read there depends on it."""

    def __init__(self, name: str, args: ExternalSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:ExternalSecrets", name, None, opts)
        values = {
            "replicaCount": args.replicas,
            "leaderElect": args.replicas > 1,
            "webhook": {"replicaCount": args.replicas},
            "serviceAccount": {"name": NAME, "annotations": {"eks.amazonaws.com/role-arn": args.role}},
            # Would write Secrets into every namespace.
            "processClusterExternalSecret": False,
        }
        chart = release(NAME, CHART, args.namespace, values, pulumi.ResourceOptions(parent=self))
        self.store = apply(store(args), name, pulumi.ResourceOptions(parent=self, depends_on=[chart]))
        self.register_outputs({})


def store(args: ExternalSecretsArgs) -> Manifest:
    """Secrets Manager, read with the operator's own role, for the namespaces that are named."""
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": STORE},
        "spec": {
            "conditions": [{"namespaces": list(args.readers)}],
            "provider": {"aws": {"service": "SecretsManager", "region": args.region}},
        },
    }


def external_secret(
    name: str,
    namespace: str,
    values: Mapping[str, Remote],
    template: Mapping[str, pulumi.Input[str]] | None = None,
) -> Manifest:
    """A Secret whose values AWS keeps, read again each hour, so that it follows their rotation.

    Args:
        name: of the Secret.
        namespace: one of the readers.
        values: key of the Secret to where its value is.
        template: keys made of those values instead, for example ``{"url": "redis://:{{ .token }}@host"}``.
    """
    target = {"name": name, **({"template": {"data": dict(template)}} if template else {})}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {"pulumi.com/waitFor": "condition=Ready"},
        },
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"name": STORE, "kind": "ClusterSecretStore"},
            "target": target,
            "data": [
                {
                    "secretKey": key,
                    "remoteRef": {"key": value.arn, **({"property": value.key} if value.key else {})},
                }
                for key, value in values.items()
            ],
        },
    }
