"""Pods: what they may do on a node, and what they must say of themselves."""

from collections.abc import Mapping
from typing import Any

from pack.pods import ALL, EXCEPT, LONG_RUNNING, Pod, pods
from pack.resource import UNKNOWN, Resource, dig, each
from pack.rule import Faults, rule

SPOT = {
    "eks.amazonaws.com/capacityType": "SPOT",
    "karpenter.sh/capacity-type": "spot",
    "modelserve/pool": "spot",
}
"""Labels of nodes that AWS may take back."""


@rule(*ALL, settings=EXCEPT)
def pods_not_root(resource: Resource) -> Faults:
    """Containers do not run as root.

    Set ``runAsNonRoot: true`` for the pod, and no ``runAsUser: 0``.
    """
    for pod, container in _containers(resource):
        if not _security(pod, container, "runAsNonRoot"):
            yield f"{_called(container)} may run as root: runAsNonRoot is not true"
        if _security(pod, container, "runAsUser") == 0:
            yield f"{_called(container)} runs as root: runAsUser is 0"


@rule(*ALL, settings=EXCEPT)
def root_file_system_read_only(resource: Resource) -> Faults:
    """Containers cannot change their own image.

    Set ``readOnlyRootFilesystem: true``, and mount an ``emptyDir`` where something is written.
    """
    for _, container in _containers(resource):
        if not dig(container, "securityContext", "readOnlyRootFilesystem"):
            yield f"{_called(container)} may write to its root file system"


@rule(*ALL, settings=EXCEPT)
def no_more_privileges(resource: Resource) -> Faults:
    """Containers get no more privileges than they start with.

    Set ``allowPrivilegeEscalation: false``, and never ``privileged: true``.
    """
    for _, container in _containers(resource):
        if dig(container, "securityContext", "allowPrivilegeEscalation") not in (False, UNKNOWN):
            yield f"{_called(container)} may escalate: allowPrivilegeEscalation is not false"
        if dig(container, "securityContext", "privileged") is True:
            yield f"{_called(container)} is privileged"


@rule(*ALL, settings=EXCEPT)
def capabilities_dropped(resource: Resource) -> Faults:
    """Containers keep no capability of root.

    Set ``capabilities: {drop: [ALL]}``; ``NET_BIND_SERVICE`` alone may be added.
    """
    for _, container in _containers(resource):
        given = dig(container, "securityContext", "capabilities")
        if not {"ALL", UNKNOWN}.intersection(each(given, "drop")):
            yield f"{_called(container)} does not drop ALL"
        if more := sorted(set(each(given, "add")) - {"NET_BIND_SERVICE", UNKNOWN}):
            yield f"{_called(container)} adds {', '.join(more)}"


@rule(*ALL, settings=EXCEPT)
def system_calls_filtered(resource: Resource) -> Faults:
    """Containers make only the system calls that the runtime's profile allows.

    Set ``seccompProfile: {type: RuntimeDefault}`` for the pod.
    """
    for pod, container in _containers(resource):
        if dig(_security(pod, container, "seccompProfile"), "type") not in ("RuntimeDefault", "Localhost", UNKNOWN):
            yield f"{_called(container)} has no seccompProfile"


@rule(*ALL, settings=EXCEPT)
def no_way_to_the_node(resource: Resource) -> Faults:
    """Pods share nothing with their node: no path, no network, no processes, no port.

    Use a volume, a Service, or a driver's own DaemonSet that is named in ``except``.
    """
    for pod in pods(resource):
        for shared in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(shared) is True:
                yield f"{shared} is true"
        for volume in each(pod.spec, "volumes"):
            if dig(volume, "hostPath") is not None and dig(volume, "hostPath") is not UNKNOWN:
                yield f"volume {dig(volume, 'name')} is a path of the node"
        for container in pod.all_containers:
            if any(dig(port, "hostPort") not in (None, UNKNOWN) for port in each(container, "ports")):
                yield f"{_called(container)} takes a port of the node"


@rule(*ALL, settings=EXCEPT)
def resources_stated(resource: Resource) -> Faults:
    """Containers say what they need and what they may take.

    Give requests for CPU and memory, and a limit for memory. A limit for CPU is left to you: it slows a container down
    while cores stand idle.
    """
    for _, container in _containers(resource):
        for kind, what in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            if not dig(container, "resources", kind, what):
                yield f"{_called(container)} has no {kind}.{what}"


@rule(*LONG_RUNNING, settings=EXCEPT)
def health_probed(resource: Resource) -> Faults:
    """Kubernetes can ask containers whether they live and whether they are ready.

    Give a ``livenessProbe`` and a ``readinessProbe``; without the second one a rollout sends requests to what is
    still loading its model.
    """
    for pod in pods(resource):
        for container in pod.containers:
            for probe in ("livenessProbe", "readinessProbe"):
                if not dig(container, probe):
                    yield f"{_called(container)} has no {probe}"


@rule(*ALL, settings=EXCEPT)
def images_named_exactly(resource: Resource) -> Faults:
    """An image is the same tomorrow.

    Name it by digest, or by a tag of its version; not ``latest``, which is also what no tag means.
    """
    for _, container in _containers(resource):
        image = dig(container, "image")
        if image is UNKNOWN or "@sha256:" in str(image):
            continue
        _, colon, tag = str(image).rpartition("/")[2].partition(":")
        if not colon or tag in ("latest", "main", "master", "nightly", "stable", "dev"):
            yield f"{_called(container)} runs {image}, which changes without notice"


@rule("kubernetes:apps/v1:StatefulSet", settings=EXCEPT)
def state_not_on_spot(resource: Resource) -> Faults:
    """What keeps state is not sent to machines that AWS may take back.

    Choose another pool in ``nodeSelector`` and affinity.
    """
    for pod in pods(resource):
        chosen = dig(pod.spec, "nodeSelector")
        wanted = list(chosen.items()) if isinstance(chosen, Mapping) else []
        terms = "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"
        for term in each(pod.spec, "affinity", "nodeAffinity", *terms):
            for need in each(term, "matchExpressions"):
                if dig(need, "operator") == "In":
                    wanted += [(dig(need, "key"), value) for value in each(need, "values")]
        for label, value in wanted:
            if SPOT.get(label) == value:
                yield f"it asks for {label}={value}"


def _containers(resource: Resource) -> list[tuple[Pod, Mapping[str, Any]]]:
    return [(pod, container) for pod in pods(resource) for container in pod.all_containers]


def _security(pod: Pod, container: Mapping[str, Any], field: str) -> Any:
    """What holds for a container: its own word before the pod's."""
    own = dig(container, "securityContext", field)
    return dig(pod.spec, "securityContext", field) if own is None else own


def _called(container: Mapping[str, Any]) -> str:
    return f"container {dig(container, 'name')}"
