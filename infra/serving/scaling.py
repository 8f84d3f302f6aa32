"""How many pods of a revision run, where no Knative and no Ray decides that."""

from infra.kubernetes import Manifest
from infra.serving.cluster import Around
from infra.serving.revision import Revision
from infra.serving.spec import Scaling, ServingSpec

DOWN_AFTER_S = 300
"""How long less must be enough before pods go: the HorizontalPodAutoscaler's default, said so that KEDA has it too."""


def least(spec: ServingSpec, revision: Revision, around: Around) -> int:
    """Pods that always run. A canary needs no second one: nobody loses more than its share with it."""
    return max(1, spec.scaling.min, around.replicas) if revision.role == "stable" else 1


def most(spec: ServingSpec, revision: Revision, around: Around) -> int:
    """Pods at most."""
    return max(spec.scaling.max, least(spec, revision, around))


def render(spec: ServingSpec, revision: Revision, around: Around, deployment: str) -> Manifest:
    """What scales a Deployment: Kubernetes' own autoscaler by CPU, KEDA by what Prometheus knows or by the clock."""
    if spec.scaling.by in (None, "cpu") and not _hours(spec.scaling, revision):
        return _horizontal(spec, revision, around, deployment)
    return _scaled(spec, revision, around, deployment)


def _horizontal(spec: ServingSpec, revision: Revision, around: Around, deployment: str) -> Manifest:
    target = {"type": "Utilization", "averageUtilization": spec.scaling.target_cpu_percent}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(revision, around),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
            "minReplicas": least(spec, revision, around),
            "maxReplicas": most(spec, revision, around),
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": _BEHAVIOR,
        },
    }


def _scaled(spec: ServingSpec, revision: Revision, around: Around, deployment: str) -> Manifest:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": _metadata(revision, around),
        "spec": {
            "scaleTargetRef": {"name": deployment},
            "minReplicaCount": least(spec, revision, around),
            "maxReplicaCount": most(spec, revision, around),
            # Without answers from Prometheus the number stays what it is, instead of falling to the least.
            "fallback": {
                "failureThreshold": 3,
                "replicas": least(spec, revision, around),
                "behavior": "currentReplicasIfHigher",
            },
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _BEHAVIOR}},
            "triggers": [_trigger(spec.scaling, revision, around), *_hours(spec.scaling, revision)],
        },
    }


def _trigger(scaling: Scaling, revision: Revision, around: Around) -> Manifest:
    if scaling.by in (None, "cpu"):
        return {"type": "cpu", "metricType": "Utilization", "metadata": {"value": str(scaling.target_cpu_percent)}}
    metric, target = {
        "concurrency": ("http_server_active_requests", scaling.target_concurrency),
        "queue": ("inference_queue_depth", scaling.target_queue),
    }[scaling.by or "concurrency"]
    return {
        "type": "prometheus",
        # A sum over pods is to be divided by their number: with Value it would be compared as it is.
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": around.prometheus_url,
            "query": f'sum({metric}{{namespace="{around.namespace}",pod=~"{revision.name}-.*"}})',
            "threshold": str(target),
        },
    }


def _hours(scaling: Scaling, revision: Revision) -> list[Manifest]:
    if revision.role == "canary":
        return []
    return [
        {
            "type": "cron",
            "metadata": {
                "timezone": hours.time_zone,
                "start": hours.start,
                "end": hours.end,
                "desiredReplicas": str(hours.min),
            },
        }
        for hours in scaling.hours
    ]


def budget(revision: Revision, around: Around) -> Manifest:
    """Nodes may go one pod of the revision at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(revision, around),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": revision.selector}},
    }


def _metadata(revision: Revision, around: Around) -> Manifest:
    return {"name": revision.name, "namespace": around.namespace, "labels": revision.labels}


_BEHAVIOR: Manifest = {
    "scaleDown": {"stabilizationWindowSeconds": DOWN_AFTER_S},
    "scaleUp": {"stabilizationWindowSeconds": 0},
}
