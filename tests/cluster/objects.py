"""Objects in front of the API server: what it says to them, and to the pods that they make."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx

from tests.cluster.api import Api, ApiError, Manifest, UnknownKindError, named
from tests.cluster.controllers import settle

LEANED_ON = ("Namespace", "PriorityClass", "StorageClass", "ServiceAccount", "LimitRange", "ResourceQuota")
"""What others need to be there when they are admitted, in the order to make it; all else is only tried."""


def prepare(api: Api, manifests: Iterable[Manifest]) -> None:
    """Make those that the others lean on."""
    for kind in LEANED_ON:
        for one in manifests:
            if one["kind"] == kind:
                if kind.endswith("Class"):
                    # Classes never change; another stack's of this name has to go.
                    api.delete(one)
                api.apply(one, force=True)
                settle(api, one)


def refused(api: Api, manifests: Iterable[Manifest]) -> list[str]:
    """What the server says to those that it does not take."""
    return _refusals(manifests, lambda one: api.apply(one, dry_run=True, force=True))


def refused_pods(api: Api, manifests: Iterable[Manifest]) -> list[str]:
    """What it says to the pods that it does not take; workloads that ask for such are taken, and never run."""
    # Not strictly: KServe and Knative write fields of their own beside those of a pod.
    return _refusals(pods(manifests), lambda pod: api.create(pod, dry_run=True, strict=False))


def pods(manifests: Iterable[Manifest]) -> list[Manifest]:
    """A pod as each template would make it."""
    return [_pod(one, place, part) for one in manifests for place, part in _templates(one.get("spec", {}), "")]


def _pod(manifest: Manifest, place: str, template: dict[str, Any]) -> Manifest:
    told = template.get("metadata", {})
    metadata = {
        "name": f"{manifest['metadata']['name']}{place}"[:63].lower(),
        "namespace": manifest["metadata"].get("namespace", "default"),
        **{key: told[key] for key in ("labels", "annotations") if key in told},
    }
    # A StatefulSet gives each of its pods a claim.
    claims = [claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", [])]
    claimed = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
    spec = {**template["spec"], "volumes": [*template["spec"].get("volumes", []), *claimed]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _templates(part: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Pod templates in a part of an object, of whatever kind: where containers are."""
    if isinstance(part, list):
        for index, item in enumerate(part):
            yield from _templates(item, f"{place}-{index}")
    elif isinstance(part, dict):
        if "containers" in part:
            yield place, {"spec": part}
        elif isinstance(part.get("spec"), dict) and "containers" in part["spec"]:
            yield place, part
        else:
            for name, item in part.items():
                yield from _templates(item, f"{place}-{name}")


def _refusals(manifests: Iterable[Manifest], ask: Callable[[Manifest], object]) -> list[str]:
    said: list[str] = []
    for one in manifests:
        try:
            ask(one)
        except (ApiError, UnknownKindError) as reason:
            said.append(str(reason))
        except httpx.HTTPError as error:
            said.append(f"{named(one)}: {error!r}")
    return said
