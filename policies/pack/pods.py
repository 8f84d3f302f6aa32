"""The pods that Kubernetes objects make, whatever kind of object it is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pack.resource import UNKNOWN, Resource, dig, each

TEMPLATES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "kubernetes:core/v1:Pod": ((),),
    "kubernetes:apps/v1:Deployment": (("spec", "template"),),
    "kubernetes:apps/v1:StatefulSet": (("spec", "template"),),
    "kubernetes:apps/v1:DaemonSet": (("spec", "template"),),
    "kubernetes:batch/v1:Job": (("spec", "template"),),
    "kubernetes:batch/v1:CronJob": (("spec", "jobTemplate", "spec", "template"),),
    "kubernetes:serving.knative.dev/v1:Service": (("spec", "template"),),
}
"""Kinds that hold a pod's template, and where in it."""

LONG_RUNNING = (
    "kubernetes:apps/v1:Deployment",
    "kubernetes:apps/v1:StatefulSet",
    "kubernetes:apps/v1:DaemonSet",
)
PREDICTOR = "kubernetes:serving.kserve.io/*:InferenceService"
RAY = "kubernetes:ray.io/*:Ray*"
ALL = (*TEMPLATES, PREDICTOR, RAY)

EXCEPT = {
    "except": {
        "type": "array",
        "items": {"type": "string"},
        "default": ["kube-system/*"],
        "description": "Workloads that are not asked, as namespace/name; * stands for anything.",
    }
}
"""Settings of rules about pods: what others wrote, and what needs the node itself, such as a driver."""


@dataclass(frozen=True)
class Pod:
    """A pod as its object will make it.

    Attributes:
        spec: its PodSpec.
        labels: labels that it gets; UNKNOWN where they are not known yet.
    """

    spec: Mapping[str, Any]
    labels: Any

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """Those that stay, in their order."""
        return each(self.spec, "containers")

    @property
    def all_containers(self) -> list[Mapping[str, Any]]:
        """Those that stay, and those that run before."""
        return [*self.containers, *each(self.spec, "initContainers")]


def namespace(resource: Resource) -> str:
    """Where an object is; Kubernetes puts it into ``default`` where it says nothing."""
    return resource.get("metadata", "namespace") or "default"


def name(resource: Resource) -> str:
    """What Kubernetes calls it; Pulumi's name where Pulumi makes one up."""
    return resource.get("metadata", "name") or resource.name


def listed(resource: Resource, setting: str) -> bool:
    """Whether a setting of the rule lists this object, or perhaps does: its namespace or name may not be known yet."""
    patterns = resource.config.get(setting, ())
    if UNKNOWN in (resource.get("metadata", "namespace"), resource.get("metadata", "name")):
        return bool(patterns)
    return any(fnmatchcase(f"{namespace(resource)}/{name(resource)}", pattern) for pattern in patterns)


def pods(resource: Resource) -> Iterator[Pod]:
    """The pods that an object makes; none where the rule's ``except`` names it."""
    if listed(resource, "except"):
        return
    for path in TEMPLATES.get(resource.type, ()):
        yield from _pod(resource.get(*path))
    if resource.isa(PREDICTOR):
        for part in ("predictor", "transformer", "explainer"):
            yield from _predictor(resource.get("spec", part))
    if resource.isa(RAY):
        cluster = resource.get("spec", "rayClusterConfig" if resource.isa("*:RayService") else "rayClusterSpec")
        for group in (dig(cluster, "headGroupSpec"), *each(cluster, "workerGroupSpecs")):
            yield from _pod(dig(group, "template"))


def _pod(template: Any) -> Iterator[Pod]:
    spec = dig(template, "spec")
    if isinstance(spec, Mapping):
        yield Pod(spec, dig(template, "metadata", "labels") or {})


def _predictor(part: Any) -> Iterator[Pod]:
    """KServe writes a pod's fields beside its own; ``model`` becomes a container of a runtime that is judged itself."""
    if isinstance(part, Mapping) and part.get("containers"):
        yield Pod(part, dig(part, "labels") or {})
