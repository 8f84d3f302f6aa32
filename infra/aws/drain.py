"""The drain of a cluster that is about to go: load balancers and disks go while somebody can still delete them.

A load balancer or disk that Kubernetes asked for is in no state of ours. Left behind, the first keeps the network from
being deleted and the second is paid for ever.
"""

# lightkube's own annotations leave the parameters of some generic types out.
# pyright: reportUnknownMemberType=false

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pulumi
from httpx2 import HTTPError
from lightkube import Client, KubeConfig
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim, Service
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

EBS = "ebs.csi.aws.com"
PAUSE_S, ROUNDS = 5, 120


class DrainError(Exception):
    """Something in the cluster does not let go; the message says what and what to do."""


class Drain(Resource, module="aws", name="Drain"):
    """Nothing while the cluster runs; on destroy it waits until nothing in the cluster holds on to AWS.

    Make it after the nodes and add-ons, and everything that runs on the cluster after it (``depends_on``).
    """

    def __init__(self, name: str, kubeconfig: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> None:
        """Stand ready.

        Args:
            name: of the resource.
            kubeconfig: how to reach the cluster, as JSON and without a credential.
            opts: with what has to outlive the drain in ``depends_on``.
        """
        super().__init__(DrainProvider(), name, {"kubeconfig": kubeconfig}, opts)


class DrainProvider(ResourceProvider):
    """What the engine calls; pickled by its name."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Stand ready; nothing is made."""
        return CreateResult("drain", props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Follow the cluster."""
        return DiffResult(changes=_olds["kubeconfig"] != _news["kubeconfig"])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Remember where the cluster is now."""
        return UpdateResult(_news)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Drain the cluster."""
        try:
            drain(Client(KubeConfig.from_dict(json.loads(_props["kubeconfig"]))), lambda: time.sleep(PAUSE_S))
        # OSError: no ``aws`` command, or a certificate that cannot be read.
        except (HTTPError, ConfigError, OSError) as error:
            raise DrainError(
                f"The cluster cannot be reached to drain it: {error}\n"
                "  Run pulumi destroy from where its API is open to you (VPN, cluster.private_cidrs), as one of its "
                "admins.\n  If the cluster is gone already: pulumi state delete and the URN of this resource."
            ) from error


def drain(client: Client, pause: Callable[[], None]) -> None:
    """Delete every Service with a load balancer and every volume claim, and wait until AWS has let go of both.

    Volumes whose reclaim policy is ``Retain`` stay: somebody chose that.

    Args:
        client: of the cluster.
        pause: is called between looks.

    Raises:
        DrainError: something is still there after ten minutes of pauses.
    """
    for service in _balanced(client):
        _delete(client, Service, service)
    for claim in client.list(PersistentVolumeClaim, namespace="*"):
        _delete(client, PersistentVolumeClaim, claim)
    for _ in range(ROUNDS):
        if not _left(client):
            return
        pause()
    left = _left(client)
    if left:
        raise DrainError(
            f"{', '.join(left)}: still there after {ROUNDS * PAUSE_S // 60} minutes, holding on to AWS.\n"
            "  Delete the pods that use them (kubectl get pods -A), then run pulumi destroy again."
        )


def _left(client: Client) -> list[str]:
    volumes = (volume for volume in client.list(PersistentVolume) if _owned(volume))
    return [
        *(f"Service {_name(service)}" for service in _balanced(client)),
        *(f"PersistentVolume {_name(volume)}" for volume in volumes),
    ]


def _balanced(client: Client) -> Iterator[Service]:
    return (s for s in client.list(Service, namespace="*") if s.spec and s.spec.type == "LoadBalancer")


def _owned(volume: PersistentVolume) -> bool:
    spec = volume.spec
    return bool(spec and spec.csi and spec.csi.driver == EBS and spec.persistentVolumeReclaimPolicy == "Delete")


def _delete(client: Client, kind: type[Service | PersistentVolumeClaim], one: Service | PersistentVolumeClaim) -> None:
    if one.metadata and one.metadata.name:
        try:
            client.delete(kind, one.metadata.name, namespace=one.metadata.namespace)
        except ApiError as error:
            if error.status.code != 404:
                raise


def _name(one: Service | PersistentVolume) -> str:
    metadata = one.metadata
    return "/".join(part for part in (metadata.namespace, metadata.name) if part) if metadata else "?"
