"""Stands in for the Kubernetes provider: server-side apply to the API server that tests have started.

Without one, objects are kept like any stand-in's. It never follows the kubeconfig of a program: what that leads to is
none of a test's business. Helm releases are kept too, not installed.
"""

import os
from pathlib import Path
from typing import Any

import httpx

from tests.cluster.api import Api, ApiError, Manifest, UnknownKindError
from tests.cluster.controllers import let_go, settle
from tests.providers.kept import Kept
from tests.providers.server import UNKNOWN, Diff, FailedError, Properties, Resource, changed
from tests.until import until

CLUSTER = "MODELSERVE_STAND_IN_CLUSTER"
"""Variable that tests alone set, to the kubeconfig of the API server that objects go to."""

SERVERS_OWN = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
"""Metadata that says when and by whom, not what."""


class Provider(Kept):
    """Objects live in the API server, releases in the tests' folder."""

    def __init__(self, version: str) -> None:
        super().__init__(version)
        self._api = Api(Path(os.environ[CLUSTER])) if CLUSTER in os.environ else None

    def check(self, resource: Resource, old: Properties, new: Properties) -> Properties:
        """Name what has no name, and stay with the name that was made up."""
        if _is_release(resource):
            return new if "name" in new else new | {"name": old.get("name") or _made_up(resource)}
        metadata = new.get("metadata", {})
        if metadata == UNKNOWN or "name" in metadata or "generateName" in metadata:
            return new
        name = old.get("metadata", {}).get("name") or _made_up(resource)
        return new | {"metadata": metadata | {"name": name}}

    def diff(self, resource: Resource, old: Properties, new: Properties) -> Diff:
        """What applying would change in the live object; another name or an immutable field replaces it."""
        differing = changed(old, new)
        if _is_release(resource):
            return Diff(differing, differing & {"name", "namespace"})
        if self._api is None or not _is_known(new):
            return Diff(differing, differing & {"kind"})
        if _identity(old) != _identity(new):
            return Diff(differing, differing & {"kind", "apiVersion", "metadata"})
        live = self._ask(self._api.read, new)
        if live is None:
            return Diff(differing)
        try:
            applied = self._api.apply(new, dry_run=True, force=True)
        except ApiError as refused:
            if refused.status == httpx.codes.UNPROCESSABLE_ENTITY and "immutable" in str(refused):
                return Diff(differing, differing, delete_first=True)
            raise FailedError(str(refused)) from None
        return Diff(changed(_content(live), _content(applied)))

    def identity(self, resource: Resource, inputs: Properties) -> str:
        """Namespace and name, as the provider has it."""
        named = inputs if _is_release(resource) else inputs["metadata"]
        return "/".join(filter(None, (named.get("namespace"), named["name"])))

    def outputs(self, resource: Resource, inputs: Properties, preview: bool) -> Properties:
        """Of a release, that it is there."""
        if not _is_release(resource):
            return inputs
        status = {"status": "deployed", "name": inputs["name"], "namespace": inputs.get("namespace", "default")}
        return inputs | {"status": status}

    def create(self, resource: Resource, inputs: Properties, preview: bool) -> tuple[str, Properties]:
        """Apply; the object as the server has it then."""
        if self._api is None or preview or _is_release(resource):
            return super().create(resource, inputs, preview)
        return self.identity(resource, inputs), self._apply(self._api, inputs)

    def read(self, resource: Resource, inputs: Properties, outputs: Properties) -> tuple[Properties, Properties] | None:
        """The live object; None when it is gone."""
        if self._api is None or _is_release(resource):
            return super().read(resource, inputs, outputs)
        live = self._ask(self._api.read, inputs or _manifest(resource))
        return live and (inputs, _shown(live))

    def update(
        self, resource: Resource, old: Properties, new: Properties, outputs: Properties, preview: bool
    ) -> Properties:
        """Apply again; fields that are no longer given go."""
        if self._api is None or preview or _is_release(resource):
            return super().update(resource, old, new, outputs, preview)
        return self._apply(self._api, new)

    def delete(self, resource: Resource, inputs: Properties, outputs: Properties) -> None:
        """Delete, and wait until it is gone."""
        if (api := self._api) is None or _is_release(resource):
            return super().delete(resource, inputs, outputs)
        self._ask(api.delete, inputs)
        if self._ask(api.read, inputs):
            let_go(api, inputs)
            until(lambda: api.read(inputs) is None, f"{resource.name} is gone")
        return None

    def _apply(self, api: Api, inputs: Properties) -> Properties:
        live = self._ask(api.apply, inputs)
        settle(api, inputs)
        return _shown(live)

    def _ask(self, question: Any, manifest: Manifest) -> Any:
        try:
            return question(manifest)
        except (ApiError, UnknownKindError, httpx.HTTPError) as error:
            raise FailedError(str(error)) from None


def _is_release(resource: Resource) -> bool:
    return resource.type.startswith("kubernetes:helm.sh/")


def _is_known(value: Any) -> bool:
    """Whether a preview knows all of it."""
    if isinstance(value, dict):
        return all(map(_is_known, value.values()))
    return all(map(_is_known, value)) if isinstance(value, list) else value != UNKNOWN


def _made_up(resource: Resource) -> str:
    return f"{resource.name}-{resource.seed.hex()[:8]}"


def _identity(manifest: Manifest) -> tuple[str, str, str, str]:
    """Group, kind, namespace and name: what an object cannot change."""
    metadata, version = manifest["metadata"], str(manifest["apiVersion"])
    return version.rpartition("/")[0], manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def _manifest(resource: Resource) -> Manifest:
    """What a resource's type and ID say of it."""
    _, version, kind = resource.type.split(":")
    namespace, _, name = resource.id.rpartition("/")
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version.removeprefix("core/"), "kind": kind, "metadata": metadata}


def _shown(live: Manifest) -> Manifest:
    metadata = {name: value for name, value in live["metadata"].items() if name != "managedFields"}
    return live | {"metadata": metadata}


def _content(live: Manifest) -> Manifest:
    metadata = {name: value for name, value in live["metadata"].items() if name not in SERVERS_OWN}
    return live | {"metadata": metadata}
