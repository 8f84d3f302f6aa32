"""Secrets that AWS keeps, as Secrets of the cluster: read by the namespace that needs them, and by no other."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.namespace import Allow, NamespaceArgs
from infra.platform.release import Chart, release
from infra.platform.workload import service_account

NAME = "external-secrets"
CHART = Chart(NAME, versions.EXTERNAL_SECRETS, "https://charts.external-secrets.io")
NAMESPACE = NamespaceArgs([Allow("webhook", (10250,), pods={"app.kubernetes.io/name": f"{NAME}-webhook"})])
READER = "secret-reader"
"""Service account, and SecretStore, of each namespace that reads secrets in AWS."""


@dataclass(frozen=True)
class ExternalSecretsArgs:
    """What the operator needs from its surroundings.

    Attributes:
        namespace: its own.
        replicas: of its parts.
        region: where the secrets are.
        readers: namespace that reads to the IAM role that it may take to do so.
    """

    namespace: pulumi.Input[str]
    replicas: int
    region: str
    readers: Mapping[str, pulumi.Input[str]]


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
    """The operator, and a store in each namespace with the rights of that namespace alone."""

    stores: Mapping[str, pulumi.CustomResource]
    """By namespace; what is read there depends on it."""

    def __init__(self, name: str, args: ExternalSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:ExternalSecrets", name, None, opts)
        values = {
            "replicaCount": args.replicas,
            "leaderElect": args.replicas > 1,
            "webhook": {"replicaCount": args.replicas},
            # Stores of the whole cluster would be read from every namespace.
            "processClusterStore": False,
            "processClusterExternalSecret": False,
        }
        chart = release(NAME, CHART, args.namespace, values, pulumi.ResourceOptions(parent=self))
        stores: dict[str, pulumi.CustomResource] = {}
        for place, role in args.readers.items():
            reader = apply(service_account(READER, place, role), f"{name}-{place}", pulumi.ResourceOptions(parent=self))
            stores[place] = apply(
                store(place, args.region),
                f"{name}-{place}",
                pulumi.ResourceOptions(parent=self, depends_on=[chart, reader]),
            )
        self.stores = stores
        self.register_outputs({})


def store(namespace: str, region: str) -> Manifest:
    """Secrets Manager, with the rights of the namespace's reader."""
    account = {"jwt": {"serviceAccountRef": {"name": READER}}}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "SecretStore",
        "metadata": {"name": READER, "namespace": namespace},
        "spec": {"provider": {"aws": {"service": "SecretsManager", "region": region, "auth": account}}},
    }


def external_secret(
    name: str,
    namespace: pulumi.Input[str],
    values: Mapping[str, Remote],
    template: Mapping[str, pulumi.Input[str]] | None = None,
) -> Manifest:
    """A Secret whose values AWS keeps, read again each hour, so that it follows their rotation.

    Args:
        name: of the Secret.
        namespace: has a store.
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
            "secretStoreRef": {"name": READER, "kind": "SecretStore"},
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
