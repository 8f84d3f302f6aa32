"""Kind's clusters and their nodes, through the commands ``kind`` and ``docker``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from infra import docker
from infra.kind.registry import INSIDE
from infra.local import ports

NETWORK = "kind"
"""Docker's network of all Kind clusters; Kind makes it with the first one."""

READY_S = 300
"""For a node to get ready; where its image is there already it takes Kind half a minute."""


KUBECTL = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf")
"""In a node; kubeadm leaves both there."""


def kind(*arguments: str, given: str | None = None) -> str:
    """What ``kind`` answers.

    Raises:
        LocalError: it is not installed, or Docker does not answer it.
        CommandError: it ended with another error.
    """
    try:
        return docker.run(
            *("kind", *arguments),
            given=given,
            install="make up STACK=dev builds it; or install it and Docker yourself.",
        )
    except docker.CommandError as error:
        raise docker.unanswered(error.told) or error from None


@dataclass(frozen=True)
class ControlPlane:
    """The node that a cluster cannot be without.

    Attributes:
        id: of its container; no two clusters share it.
        runs: whether it runs.
    """

    id: str
    runs: bool


def control_plane(cluster: str) -> ControlPlane | None:
    """The control plane of the cluster of this name, whoever made it; None where there is no such cluster."""
    found = docker.container(f"{cluster}-control-plane")
    return ControlPlane(found["Id"], bool(found["State"]["Running"])) if found else None


def create(cluster: str, image: str, published: Mapping[str, int], kubeconfig: Path) -> None:
    """Make a cluster of one node and wait until it is ready.

    Args:
        cluster: its name.
        image: of the node.
        published: port on the loopback address to port of the node.
        kubeconfig: where Kind writes its own; never the user's.

    Raises:
        CommandError: Kind did not get there; it has removed what it began.
    """
    mappings = [
        {"listenAddress": ports.LOOPBACK, "hostPort": int(host), "containerPort": int(node)}
        for host, node in published.items()
    ]
    config = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"apiServerAddress": ports.LOOPBACK},
        "nodes": [{"role": "control-plane", "image": image, "extraPortMappings": mappings}],
    }
    kind(
        *("create", "cluster", "--name", cluster, "--config", "-"),
        *("--kubeconfig", str(kubeconfig), "--wait", f"{READY_S}s"),
        given=yaml.safe_dump(config, sort_keys=False),
    )


def delete(cluster: str, kubeconfig: Path) -> None:
    """Remove a cluster; of kubeconfigs, Kind touches only the given one."""
    kind("delete", "cluster", "--name", cluster, "--kubeconfig", str(kubeconfig))


def start(cluster: str) -> None:
    """Start the stopped node of a cluster and wait until its API answers."""
    node = f"{cluster}-control-plane"
    docker.docker("start", node)
    docker.docker("exec", node, *KUBECTL, "wait", "--for=condition=Ready", f"node/{node}", f"--timeout={READY_S}s")


def join(cluster: str, registry: str, port: int) -> None:
    """Let a cluster's nodes pull ``localhost:<port>/…`` from the registry's container.

    As https://kind.sigs.k8s.io/docs/user/local-registry says: in a node, localhost is the node, so containerd is told
    that the name stands for the container; and a ConfigMap tells tools which registry the cluster knows.
    """
    folder = f"/etc/containerd/certs.d/localhost:{port}"
    for node in kind("get", "nodes", "--name", cluster).split():
        docker.docker("exec", node, "mkdir", "-p", folder)
        hosts = f'[host."http://{registry}:{INSIDE}"]\n'
        docker.docker("exec", "--interactive", node, "cp", "/dev/stdin", f"{folder}/hosts.toml", given=hosts)
    found = docker.container(registry)
    if found is None or NETWORK not in found["NetworkSettings"]["Networks"]:
        docker.docker("network", "connect", NETWORK, registry)
    node = f"{cluster}-control-plane"
    docker.docker("exec", "--interactive", node, *KUBECTL, "apply", "--filename", "-", given=_hosting(port))


def _hosting(port: int) -> str:
    hosting = {"host": f"localhost:{port}", "help": "https://kind.sigs.k8s.io/docs/user/local-registry/"}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "local-registry-hosting", "namespace": "kube-public"},
            "data": {"localRegistryHosting.v1": yaml.safe_dump(hosting)},
        }
    )
