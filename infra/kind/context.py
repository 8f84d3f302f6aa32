"""A cluster that was there before: found in the user's kubeconfig, never changed and never removed."""

import hashlib
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra import docker
from infra.kind import nodes
from infra.local.home import LocalError, write_private
from infra.local.provider import Provider


class ContextProvider(Provider):
    """Keeps a copy of the part of the kubeconfig that one context needs."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Write the copy, and join the cluster to the registry."""
        return CreateResult(props["context"], self._outputs(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Another context is another cluster, and so is the same context once it names another server."""
        moved = any(_olds[key] != _news[key] for key in ("context", "folder"))
        joined = all(_olds[key] == _news[key] for key in ("registry", "made", "port"))
        current = moved or _path(_news, _view(_news["context"])) == Path(_olds["kubeconfig"])
        changes = moved or not joined or not current or not Path(_olds["kubeconfig"]).exists()
        return DiffResult(changes=changes, replaces=["context"] if moved else [])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Write the copy again."""
        return UpdateResult(self._outputs(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether the kubeconfig still has the context."""
        try:
            _view(props["context"])
        except LocalError:
            return ReadResult(None, {})
        return ReadResult(id_, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the copy. The cluster is not ours."""
        Path(_props["kubeconfig"]).unlink(missing_ok=True)

    def _outputs(self, props: dict[str, Any]) -> dict[str, Any]:
        context = props["context"]
        viewed = _view(context)
        cluster = context.removeprefix("kind-")
        if cluster == context or nodes.control_plane(cluster) is None:
            raise LocalError(
                f"{context} is no Kind cluster of this machine: its nodes cannot pull the images that are built here.\n"
                "  Name the context of one (kind get clusters), or leave kind.context out and have one made."
            )
        nodes.join(cluster, props["registry"], int(props["port"]))
        kubeconfig = _path(props, viewed)
        write_private(kubeconfig, yaml.safe_dump(viewed))
        return {**props, "kubeconfig": str(kubeconfig)}


def _view(context: str) -> dict[str, Any]:
    """What a kubeconfig says about one context, secrets included.

    Raises:
        LocalError: it does not know the context; names those that it knows.
    """
    install = "Install kubectl, or leave kind.context out and have a cluster made."
    try:
        told = docker.run("kubectl", "config", "view", "--minify", "--flatten", f"--context={context}", install=install)
        return yaml.safe_load(told)
    except docker.CommandError:
        known = docker.run("kubectl", "config", "get-contexts", "--output=name", install=install).split()
        raise LocalError(
            f"Pulumi.dev.yaml: kind.context is {context}, which your kubeconfig does not have.\n"
            f"  It has {', '.join(known) or 'none'}."
        ) from None


def _path(props: dict[str, Any], viewed: dict[str, Any]) -> Path:
    """Named by the server and its authority: new credentials are not another cluster."""
    cluster = viewed["clusters"][0]["cluster"]
    identity = f"{cluster['server']}\n{cluster.get('certificate-authority-data', '')}"
    return Path(props["folder"]) / f"{hashlib.sha256(identity.encode()).hexdigest()[:12]}.kubeconfig"


class Context(Resource, module="kind", name="Context"):
    """One context."""

    kubeconfig: pulumi.Output[str]
    """Path of the copy, mode 0600."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ContextProvider(), name, {**props, "kubeconfig": None}, opts)
