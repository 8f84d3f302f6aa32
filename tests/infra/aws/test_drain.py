"""The drain of a cluster that goes: what it deletes, what it waits for, and when it gives up."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from lightkube import Client, KubeConfig

from infra.aws.drain import ROUNDS, DrainError, DrainProvider, drain

Thing = dict[str, Any]
CONFIG = {
    "clusters": [{"name": "c", "cluster": {"server": "http://api"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "x",
}


def service(name: str, typ: str) -> Thing:
    return {"metadata": {"name": name, "namespace": "serving"}, "spec": {"type": typ}}


def volume(name: str, policy: str = "Delete", driver: str = "ebs.csi.aws.com") -> Thing:
    spec = {"csi": {"driver": driver, "volumeHandle": "vol-1"}, "persistentVolumeReclaimPolicy": policy}
    return {"metadata": {"name": name}, "spec": spec}


class Api:
    """A Kubernetes API that holds services, claims and volumes, and says what was deleted."""

    def __init__(self, **things: list[Thing]) -> None:
        self.things: dict[str, list[Thing]] = {
            "services": [],
            "persistentvolumeclaims": [],
            "persistentvolumes": [],
        } | things
        self.deleted: list[str] = []
        self.client = Client(KubeConfig.from_dict(CONFIG), transport=httpx2.MockTransport(self._answer))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        kind, _, name = request.url.path.partition("/api/v1/")[2].removeprefix("namespaces/serving/").partition("/")
        if request.method == "GET":
            return httpx2.Response(200, json={"items": self.things[kind], "metadata": {}})
        self.deleted.append(f"{kind}/{name}")
        self.things[kind] = [thing for thing in self.things[kind] if thing["metadata"]["name"] != name]
        return httpx2.Response(200, json={})

    def drain(self, pause: Callable[[], None]) -> None:
        drain(self.client, pause)


def never() -> None:
    raise AssertionError("there is nothing to wait for")


def test_load_balancers_go_and_other_services_stay() -> None:
    api = Api(services=[service("public", "LoadBalancer"), service("inside", "ClusterIP")])
    api.drain(never)
    assert api.deleted == ["services/public"]


def test_every_volume_claim_goes() -> None:
    api = Api(persistentvolumeclaims=[{"metadata": {"name": "mlflow", "namespace": "serving"}}])
    api.drain(never)
    assert api.deleted == ["persistentvolumeclaims/mlflow"]


def test_it_waits_until_the_driver_has_deleted_the_disks() -> None:
    api = Api(persistentvolumes=[volume("pvc-1")])
    waited: list[int] = []

    def pause() -> None:
        waited.append(1)
        if len(waited) == 3:
            api.things["persistentvolumes"].clear()

    api.drain(pause)
    assert len(waited) == 3


def test_disks_that_somebody_chose_to_keep_are_not_waited_for() -> None:
    Api(persistentvolumes=[volume("kept", policy="Retain")]).drain(never)


def test_volumes_that_aws_does_not_know_are_not_waited_for() -> None:
    Api(persistentvolumes=[volume("elsewhere", driver="nfs.csi.k8s.io")]).drain(never)


def test_what_does_not_let_go_is_named_with_what_to_do() -> None:
    waited: list[int] = []
    with pytest.raises(DrainError, match=r"PersistentVolume pvc-1.*\n.*Delete the pods that use them"):
        Api(persistentvolumes=[volume("pvc-1")]).drain(lambda: waited.append(1))
    assert len(waited) == ROUNDS


def test_a_cluster_out_of_reach_is_said_with_what_to_do() -> None:
    users = [
        {
            "name": "u",
            "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "no-such-aws"}},
        }
    ]
    with pytest.raises(DrainError, match=r"no-such-aws(.|\n)*cluster.private_cidrs"):
        DrainProvider().delete("drain", {"kubeconfig": json.dumps(CONFIG | {"users": users})})
