"""A Kubernetes cluster on this machine: one that Kind makes, or one that a kubeconfig knows already."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra import docker, versions
from infra.kind import nodes
from infra.kind.context import Context
from infra.kind.registry import Registry, RegistryArgs
from infra.local import ports
from infra.local.home import LocalError, write_private
from infra.local.provider import Provider
from infra.validation import SettingsError

REPOSITORY = "modelserve"


class ClusterProvider(Provider):
    """Makes a cluster and removes it; one that somebody else made is refused, and never removed.

    A note of each cluster is written before Kind begins and completed when it is done. So a run that is interrupted
    halfway finds what it left behind, and a cluster of the same name without a note is not ours.
    """

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make it, take over one that an interrupted run completed, or make anew one that it did not."""
        name, noted = props["name"], _noted(props)
        found = nodes.control_plane(name)
        if found and noted not in ("", found.id):
            raise LocalError(
                f"There is a Kind cluster {name} that this stack did not make.\n"
                f"  Remove it: kind delete cluster --name {name}\n"
                f"  Or use it: write modelserve:kind.context: kind-{name} into Pulumi.dev.yaml."
            )
        if found and noted == "":
            self.say(f"removing cluster {name}, which an interrupted run left half made")
            nodes.delete(name, _folder(props) / "unused")
            found = None
        if found is None:
            self._make(props)
        return CreateResult(name, _outputs(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """What Kind decides when it makes a cluster cannot change; nor is a cluster that is gone the same one again."""
        replaces = [key for key in ("name", "folder", "image", "published") if _olds[key] != _news[key]]
        found = _ours(_olds)
        if not replaces and found is None:
            replaces = ["node"]
        joined = all(_olds[key] == _news[key] for key in ("registry", "made", "port"))
        well = found is not None and found.runs and Path(_olds["kubeconfig"]).exists()
        changes = bool(replaces) or not joined or not well
        # Its name and its ports are taken until it is gone.
        return DiffResult(changes=changes, replaces=replaces, delete_before_replace=True)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Start it when it is stopped, join it to the registry, and write its kubeconfig again."""
        found = _ours(_olds)
        if found and not found.runs:
            self.say(f"starting cluster {_olds['name']}")
            nodes.start(_olds["name"])
        return UpdateResult(_outputs(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether it is there and runs."""
        found = _ours(props)
        if found is None:
            return ReadResult(None, {})
        return ReadResult(id_, {**props, "state": "RUNNING" if found.runs else "STOPPED"})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove it with its files. A cluster that somebody made in its place stays."""
        if _ours(_props):
            nodes.delete(_props["name"], Path(_props["kubeconfig"]))
        shutil.rmtree(_folder(_props), ignore_errors=True)

    def _make(self, props: dict[str, Any]) -> None:
        name, unused = props["name"], _folder(props) / "unused"
        for port in map(int, props["published"]):
            ports.require_free(port, "gateway.port", "dev")
        self.say(f"making cluster {name}: half a minute, and as long as it takes to fetch 1 GB the first time")
        write_private(_note(props), json.dumps({"node": ""}))
        try:
            nodes.create(name, props["image"], props["published"], unused)
        except docker.CommandError as error:
            shutil.rmtree(_folder(props))
            raise LocalError(
                f"Kind did not make cluster {name}:\n{error.told.strip()}\n"
                "  See https://kind.sigs.k8s.io/docs/user/known-issues for what a machine may lack."
            ) from None
        unused.unlink(missing_ok=True)
        write_private(_note(props), json.dumps({"node": _found(name).id}))


def _outputs(props: dict[str, Any]) -> dict[str, Any]:
    """Join the cluster to its registry, and write its kubeconfig into a file named by the cluster's identity.

    So the path changes with the cluster and never otherwise: the provider of Kubernetes objects, which replaces
    everything when its kubeconfig changes, does so for another cluster alone.
    """
    name = props["name"]
    node = _found(name).id
    nodes.join(name, props["registry"], int(props["port"]))
    kubeconfig = _folder(props) / f"{node[:12]}.kubeconfig"
    write_private(kubeconfig, nodes.kind("get", "kubeconfig", "--name", name))
    return {**props, "node": node, "state": "RUNNING", "kubeconfig": str(kubeconfig)}


def _folder(props: dict[str, Any]) -> Path:
    return Path(props["folder"]) / props["name"]


def _note(props: dict[str, Any]) -> Path:
    return _folder(props) / "made.json"


def _noted(props: dict[str, Any]) -> str | None:
    """Id of the node that a run of ours made; empty while it is at it, None where there was none."""
    try:
        return str(json.loads(_note(props).read_text())["node"])
    except FileNotFoundError:
        return None


def _found(name: str) -> nodes.ControlPlane:
    found = nodes.control_plane(name)
    if found is None:
        raise LocalError(f"Cluster {name} went away while it was being made.\n  Try again: make up STACK=dev")
    return found


def _ours(props: dict[str, Any]) -> nodes.ControlPlane | None:
    """The node of the cluster that this resource made, if it is there."""
    found = nodes.control_plane(props["name"])
    return found if found and found.id == props["node"] else None


class _Cluster(Resource, module="kind", name="Cluster"):
    kubeconfig: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        made = {"node": None, "state": "RUNNING", "kubeconfig": None}
        super().__init__(ClusterProvider(), name, {**props, **made}, opts)


@dataclass(frozen=True)
class ClusterArgs:
    """A cluster on this machine.

    Attributes:
        folder: where the stack keeps its files, absolute; only the user reads it.
        kubernetes: minor of Kubernetes, for example ``1.35``.
        registry_port: where the registry of its images listens on the loopback address.
        published: port on the loopback address to port of the node, for what is reached from outside.
        context: use the Kind cluster that the user's kubeconfig knows by this context instead of making one; then
            ``kubernetes`` and ``published`` are what that cluster was made with.
    """

    folder: str
    kubernetes: str
    registry_port: int
    published: Mapping[int, int] = field(default_factory=dict[int, int])
    context: str | None = None


class Cluster(pulumi.ComponentResource):
    """A cluster, and the registry that it pulls the apps' images from."""

    kubeconfig: pulumi.Output[str]
    """Path of its kubeconfig, mode 0600: what is in it never gets into state. The path is another one exactly when the
    cluster is another one."""

    registry: pulumi.Output[str]
    """Repository to push the apps' image to, and to pull it from in the cluster."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:kind:Cluster", name, None, opts)
        if args.kubernetes not in versions.KIND_NODES:
            raise SettingsError(
                f"Pulumi.dev.yaml: modelserve:kind.kubernetes is {args.kubernetes}, for which Kind has no node here.\n"
                f"  Allowed: {', '.join(versions.KIND_NODES)}."
            )
        child = pulumi.ResourceOptions(parent=self)
        registry = Registry(name, RegistryArgs(args.folder, f"{name}-registry", args.registry_port), child)
        joined = {"folder": args.folder, "registry": registry.container, "made": registry.made, "port": registry.port}
        if args.context is None:
            image = versions.KIND_NODES[args.kubernetes]
            # A JSON object's keys are text, and so are those that come back from state.
            published = {str(host): node for host, node in args.published.items()}
            made = _Cluster(name, {**joined, "name": name, "image": image, "published": published}, child)
        else:
            made = Context(name, {**joined, "context": args.context}, child)
        self.kubeconfig = made.kubeconfig
        # The registry may be pushed to before, but the cluster knows it only once both are there.
        self.registry = pulumi.Output.all(registry.port, made.kubeconfig).apply(
            lambda known: f"localhost:{int(known[0])}/{REPOSITORY}"
        )
        self.register_outputs({"kubeconfig": self.kubeconfig, "registry": self.registry})
