"""Pods as the platform's policies want them: not root, nothing of the node, probed, and limited."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from infra.kubernetes import Manifest

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Container:
    """A container that stays.

    Attributes:
        image: named exactly.
        ports: by name; the first one is probed.
        ready: path that answers when it may be called; none asks whether the port is open.
        args: of the image's entry point.
        command: in place of that entry point.
        env: plain values.
        secrets: variables taken from a Secret: name to (Secret, key).
        mounts: volume to the path where it is mounted.
        memory: what it requests and may take, as Kubernetes writes it.
        cpu: cores that it requests.
        user: what it runs as.
    """

    image: str
    ports: Mapping[str, int]
    ready: str | None = None
    args: Sequence[pulumi.Input[str]] = ()
    command: Sequence[str] = ()
    env: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    mounts: Mapping[str, str] = field(default_factory=dict[str, str])
    memory: str = "256Mi"
    cpu: str = "50m"
    user: int = 1000


def deployment(
    name: str,
    namespace: str,
    container: Container,
    *,
    replicas: int = 1,
    volumes: Sequence[Object] = (),
    account: str | None = None,
    changes: Mapping[str, pulumi.Input[str]] | None = None,
) -> Manifest:
    """A Deployment of one container; it keeps no state, so its replicas are kept on different nodes where possible.

    Args:
        name: of the Deployment, its container and its label ``app``.
        namespace: where it runs.
        container: what runs.
        replicas: how many; more than one want a ``disruption_budget`` beside it.
        volumes: what is mounted.
        account: service account whose token the pod gets; none gets no token.
        changes: annotations of the pod; another value starts new pods.
    """
    spread = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"app": name}},
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
    }
    template = pod(name, container, volumes, account, changes)
    template["spec"]["topologySpreadConstraints"] = [spread]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def stateful_set(
    name: str,
    namespace: str,
    container: Container,
    *,
    storage_class: str,
    size_gib: int,
    volumes: Sequence[Object] = (),
    changes: Mapping[str, pulumi.Input[str]] | None = None,
) -> Manifest:
    """A StatefulSet of one pod; the volume that it mounts as ``data`` outlives it."""
    template = pod(name, container, volumes, None, changes)
    template["spec"]["securityContext"]["fsGroup"] = container.user
    template["spec"]["securityContext"]["fsGroupChangePolicy"] = "OnRootMismatch"
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "serviceName": name,
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "data"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "storageClassName": storage_class,
                        "resources": {"requests": {"storage": f"{size_gib}Gi"}},
                    },
                }
            ],
        },
    }


def job(
    name: str,
    namespace: str,
    container: Container,
    *,
    app: str,
    volumes: Sequence[Object] = (),
    account: str | None = None,
    changes: Mapping[str, pulumi.Input[str]] | None = None,
) -> Manifest:
    """A Job that is tried until it succeeds, for a quarter of an hour; Pulumi waits for it.

    Args:
        name: of the Job.
        namespace: where it runs.
        container: what runs; it needs no probe.
        app: label of its pod.
        volumes: what is mounted.
        account: service account whose token the pod gets; none gets no token.
        changes: annotations of the pod; a Job cannot change, so another value replaces it.
    """
    template = pod(app, container, volumes, account, changes)
    for probe in ("livenessProbe", "readinessProbe", "ports"):
        template["spec"]["containers"][0].pop(probe)
    template["spec"]["restartPolicy"] = "OnFailure"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": app}},
        "spec": {"backoffLimit": 40, "activeDeadlineSeconds": 900, "template": template},
    }


def pod(
    name: str,
    container: Container,
    volumes: Sequence[Object],
    account: str | None,
    changes: Mapping[str, pulumi.Input[str]] | None,
) -> dict[str, Any]:
    """The template of a pod that Kubernetes admits where it enforces ``restricted``."""
    own = [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}, *volumes]
    metadata: dict[str, Any] = {"labels": {"app": name}}
    if changes:
        metadata["annotations"] = dict(changes)
    return {
        "metadata": metadata,
        "spec": {
            **({"serviceAccountName": account} if account else {}),
            "automountServiceAccountToken": account is not None,
            # Many Services in a namespace make hundreds of variables, and slow starts (knative/serving #9104).
            "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [_container(name, container)],
            "volumes": own,
        },
    }


def service(name: str, namespace: str, ports: Mapping[str, int]) -> Manifest:
    """A name in the cluster for the pods with the label ``app: <name>``; each port keeps its number."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": name},
            "ports": [{"name": called, "port": port, "targetPort": port} for called, port in ports.items()],
        },
    }


def service_account(
    name: str, namespace: str, role: pulumi.Input[str] | None = None, *, token: bool = False
) -> Manifest:
    """Who a pod is; with ``role`` it takes that role in AWS (IRSA)."""
    annotations = {"annotations": {"eks.amazonaws.com/role-arn": role}} if role is not None else {}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace, **annotations},
        "automountServiceAccountToken": token,
    }


def disruption_budget(name: str, namespace: str) -> Manifest:
    """While nodes are emptied, all pods of a workload but one stay."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}},
    }


def _container(name: str, container: Container) -> dict[str, Any]:
    first = next(iter(container.ports.values()), 0)
    probe = {"httpGet": {"path": container.ready, "port": first}} if container.ready else {"tcpSocket": {"port": first}}
    made: dict[str, Any] = {
        "name": name,
        "image": container.image,
        "args": list(container.args),
        "env": [
            *({"name": key, "value": value} for key, value in container.env.items()),
            *(
                {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": entry}}}
                for key, (secret, entry) in container.secrets.items()
            ),
        ],
        "ports": [{"name": called, "containerPort": port} for called, port in container.ports.items()],
        "readinessProbe": {**probe, "periodSeconds": 5, "timeoutSeconds": 3},
        # A start may have to migrate a database first; only what has hung for minutes is started again.
        "livenessProbe": {**probe, "initialDelaySeconds": 60, "failureThreshold": 6, "timeoutSeconds": 5},
        "resources": {
            "requests": {"cpu": container.cpu, "memory": container.memory},
            "limits": {"memory": container.memory},
        },
        "securityContext": {
            "runAsUser": container.user,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
            *({"name": volume, "mountPath": path} for volume, path in container.mounts.items()),
        ],
    }
    if container.command:
        made["command"] = list(container.command)
    return made
