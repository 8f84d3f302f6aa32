"""Renders an app into a RayService: several models in one app, fractions of GPUs, many replicas.

An app on Ray has ``apps/<app>/serve.py`` with ``build(args: dict) -> ray.serve.Application``. It gets the numbers of
its spec: ``min_replicas``, ``max_replicas`` and ``target_ongoing_requests`` for autoscaling, ``num_cpus`` and
``num_gpus`` of a replica. All else is in its environment, as for every app. Its image is its own and has Ray.

Its pods stand outside the mesh: Ray's processes talk to each other on ports that they choose. The NetworkPolicy is
what keeps others away from them.
"""

import json
import math

from infra.kubernetes import Manifest
from infra.serving.cluster import Around
from infra.serving.pod import NOTHING_MORE, annotations, container_of, settings_of, spread
from infra.serving.revision import RAY_PORT, Revision
from infra.serving.spec import ServingSpec

METRICS_PORT = 8080
SHARED_MEMORY = 0.3
"""Share of a container's memory for Ray's object store: Ray's default."""
HEAD: Manifest = {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"memory": "4Gi"}}
"""KubeRay's advice is 8 GiB for thousands of workers; it runs no replica here."""
AUTOSCALER: Manifest = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "512Mi"}}
OUTSIDE_MESH = {"sidecar.istio.io/inject": "false"}


def render(spec: ServingSpec, revision: Revision, around: Around) -> list[Manifest]:
    """The RayService of a revision; KubeRay makes the Service that leads to it.

    Raises:
        ValueError: the app asks for what its surroundings do not have.
    """
    together = _together(spec.resources.gpu)
    least = max(spec.scaling.min, around.replicas) if revision.role == "stable" else 1
    workers = {
        "groupName": "replicas",
        "minReplicas": math.ceil(least / together),
        "maxReplicas": max(math.ceil(spec.scaling.max / together), math.ceil(least / together)),
        "replicas": math.ceil(least / together),
        "rayStartParams": {},
        "template": _template(spec, revision, around, "ray-worker", together),
    }
    head = _template(spec, revision, around, "ray-head", 1)
    for workers_alone in ("nodeSelector", "tolerations", "serviceAccountName"):
        head["spec"].pop(workers_alone, None)
    # The autoscaler beside the head starts and ends workers: KubeRay makes it an account with that right alone.
    head["spec"]["automountServiceAccountToken"] = True
    head["spec"]["containers"][0]["resources"] = HEAD
    cluster: Manifest = {
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {"securityContext": NOTHING_MORE, "resources": AUTOSCALER},
        # No work on the head: what runs there is lost with it.
        "headGroupSpec": {"rayStartParams": {"num-cpus": "0", "num-gpus": "0"}, "template": head},
        "workerGroupSpecs": [workers],
    }
    return [
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayService",
            "metadata": {
                "name": revision.name,
                "namespace": around.namespace,
                "labels": revision.labels,
                "annotations": {"pulumi.com/waitFor": "condition=Ready"},
            },
            "spec": {
                "serveConfigV2": json.dumps(_applications(spec, least), indent=1, sort_keys=True),
                "rayClusterConfig": cluster,
            },
        }
    ]


def _together(gpu: float) -> int:
    """Replicas that share a worker: as many as share a GPU."""
    return math.floor(1 / gpu) if 0 < gpu < 1 else 1


def _applications(spec: ServingSpec, least: int) -> Manifest:
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": RAY_PORT, "request_timeout_s": spec.traffic.timeout_s},  # noqa: S104 - its pod's network is its own
        "applications": [
            {
                "name": spec.name,
                "route_prefix": "/",
                "import_path": f"apps.{spec.name.replace('-', '_')}.serve:build",
                "args": {
                    "min_replicas": least,
                    "max_replicas": max(spec.scaling.max, least),
                    "target_ongoing_requests": spec.scaling.target_concurrency,
                    "num_cpus": spec.resources.cpu,
                    "num_gpus": spec.resources.gpu,
                },
            }
        ],
    }


def _template(spec: ServingSpec, revision: Revision, around: Around, name: str, together: int) -> Manifest:
    container: Manifest = {
        **container_of(spec, revision, around, together),
        "name": name,
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}, {"name": "serve", "containerPort": RAY_PORT}],
    }
    shared = f"{math.ceil(spec.resources.memory_mib * together * SHARED_MEMORY)}Mi"
    container["volumeMounts"] += [{"name": "shared-memory", "mountPath": "/dev/shm"}]  # noqa: S108 - a volume
    whole: Manifest = {**settings_of(spec, around), "containers": [container]}
    whole["volumes"] += [{"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": shared}}]
    return {
        "metadata": {
            "labels": {**revision.labels, **OUTSIDE_MESH},
            "annotations": annotations(spec, METRICS_PORT),
        },
        "spec": {
            **whole,
            "terminationGracePeriodSeconds": math.ceil(spec.limits.drain_s) + 30,
            "topologySpreadConstraints": [spread(revision)],
        },
    }
