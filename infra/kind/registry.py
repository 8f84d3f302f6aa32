"""The registry that a Kind cluster pulls the apps' images from: one container, on the loopback address."""

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra import docker, versions
from infra.local import ports
from infra.local.home import LocalError
from infra.local.provider import Provider

OWNER = "modelserve.owner"
"""Label of the container: the folder of the stack that started it."""

INSIDE = 5000
"""Where the registry listens in its container."""

TAKEN = ("port is already allocated", "address already in use", "ports are not available")
"""What Docker says of a port on the machine; the last one is Docker Desktop's."""


class RegistryProvider(Provider):
    """Runs the container; one that a stack of another folder started is refused, and never removed."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Start it, or take over the one that an interrupted run started."""
        return CreateResult(props["name"], self._running(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Another name is another registry; a container that is gone or stopped wants to be started."""
        changed = any(_olds[key] != _news[key] for key in ("port", "image"))
        replaces = [key for key in ("name", "owner") if _olds[key] != _news[key]]
        changes = changed or bool(replaces) or not _is_up(docker.container(_olds["name"]))
        return DiffResult(changes=changes, replaces=replaces, delete_before_replace=True)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Start it again; at another port, or of another image, it is another container."""
        if any(_olds[key] != _news[key] for key in ("port", "image")):
            self.delete(_id, _olds)
        return UpdateResult(self._running(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether it is there and runs."""
        found = docker.container(props["name"])
        if found is None or not _is_ours(found, props):
            return ReadResult(None, {})
        return ReadResult(id_, {**props, "state": "RUNNING" if _is_up(found) else "STOPPED"})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove it with its images, which the next ``up`` builds again."""
        found = docker.container(_props["name"])
        if found is not None and _is_ours(found, _props):
            docker.docker("rm", "--force", "--volumes", _props["name"])

    def _running(self, props: dict[str, Any]) -> dict[str, Any]:
        found = docker.container(props["name"])
        if found is None:
            _start(props)
        elif not _is_ours(found, props):
            raise LocalError(
                f"Docker has a container {props['name']} that this stack did not start.\n"
                f"  Remove it: docker rm --force {props['name']}"
            )
        elif not _is_up(found):
            docker.docker("start", props["name"])
        # Made anew, it is on no network of a cluster yet.
        made = docker.container(props["name"])
        return {**props, "state": "RUNNING", "made": made and made["Id"]}


def _start(props: dict[str, Any]) -> None:
    name, port = props["name"], int(props["port"])
    options = ("--detach", "--restart", "always", "--network", "bridge", "--name", name)
    labels = ("--label", f"{OWNER}={props['owner']}")
    # Only this machine can push: the registry asks nobody who they are.
    published = ("--publish", f"{ports.LOOPBACK}:{port}:{INSIDE}")
    try:
        docker.docker("run", *options, *labels, *published, props["image"])
    except docker.CommandError as error:
        # Docker keeps a container that it could not start.
        docker.docker("rm", "--force", "--volumes", name)
        if any(said in error.told.lower() for said in TAKEN):
            raise LocalError(
                f"Port {port} is taken by {ports.holder(port)}.\n  {ports.way_out(port, 'kind.registry_port', 'dev')}"
            ) from None
        raise LocalError(
            f"The images' registry did not start: {error.told.strip()}\n  Try it alone: docker pull {props['image']}"
        ) from None


def _is_ours(found: dict[str, Any], props: dict[str, Any]) -> bool:
    return found["Config"]["Labels"].get(OWNER) == props["owner"]


def _is_up(found: dict[str, Any] | None) -> bool:
    return found is not None and bool(found["State"]["Running"])


class _Registry(Resource, module="kind", name="Registry"):
    port: pulumi.Output[int]
    name: pulumi.Output[str]
    made: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(RegistryProvider(), name, {**props, "state": "RUNNING", "made": None}, opts)


@dataclass(frozen=True)
class RegistryArgs:
    """A registry.

    Attributes:
        owner: folder of the stack's files, absolute: tells its container from those of other checkouts.
        container: name of the container.
        port: where it listens on the loopback address.
    """

    owner: str
    container: str
    port: int


class Registry(pulumi.ComponentResource):
    """Takes images on this machine and gives them to the cluster's nodes."""

    port: pulumi.Output[int]
    """Where it listens, known when it runs."""

    container: pulumi.Output[str]
    """Name of its container, which is its host name on the cluster's network."""

    made: pulumi.Output[str]
    """Id of its container."""

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:kind:Registry", name, None, opts)
        props = {"owner": args.owner, "name": args.container, "port": args.port, "image": versions.REGISTRY_IMAGE}
        registry = _Registry(name, props, pulumi.ResourceOptions(parent=self))
        self.port, self.container, self.made = registry.port, registry.name, registry.made
        self.register_outputs({"port": self.port})
