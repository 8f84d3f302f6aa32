"""Renders an app into KServe's InferenceService: on Knative, which scales to zero, or as a Deployment.

Each revision is an InferenceService of its own, and our routes share requests among them; see
``docs/decisions/cluster-traffic.md`` for why neither KServe's canaries nor its routes do.
"""

import math

from infra.kubernetes import Manifest
from infra.serving import scaling
from infra.serving.cluster import Around
from infra.serving.deployment import NEW_FIRST
from infra.serving.pod import annotations, callers, pod
from infra.serving.revision import Revision
from infra.serving.spec import ServingSpec

CONTAINER = "kserve-container"
"""What KServe calls the container that answers."""


def render(spec: ServingSpec, revision: Revision, around: Around) -> list[Manifest]:
    """The InferenceService of a revision; with what scales it and keeps it up where KServe makes a Deployment.

    Raises:
        ValueError: the app asks for what its surroundings do not have.
    """
    if revision.runs_on == "knative":
        return [_service(spec, revision, around, "Knative", _on_knative(spec))]
    deployment = f"{revision.name}-predictor"
    own = {
        "minReplicas": scaling.least(spec, revision, around),
        "maxReplicas": scaling.most(spec, revision, around),
        "deploymentStrategy": NEW_FIRST,
    }
    return [
        _service(spec, revision, around, "Standard", own),
        scaling.render(spec, revision, around, deployment),
        scaling.budget(revision, around),
    ]


def _on_knative(spec: ServingSpec) -> Manifest:
    return {
        "minReplicas": spec.scaling.min,
        "maxReplicas": spec.scaling.max,
        "scaleMetric": "concurrency",
        "scaleTarget": spec.scaling.target_concurrency,
        # The app itself sheds what is too much, and says when to come back.
        "containerConcurrency": 0,
        # Also how long a pod that goes may take for the requests that it has.
        "timeout": math.ceil(max(spec.traffic.timeout_s, spec.limits.drain_s)),
    }


def _service(spec: ServingSpec, revision: Revision, around: Around, mode: str, own: Manifest) -> Manifest:
    on_knative = mode == "Knative"
    private = "networking.knative.dev/visibility" if on_knative else "networking.kserve.io/visibility"
    # Knative gives a start ten minutes, image included; ours may be longer.
    deadline = {"serving.knative.dev/progress-deadline": f"{max(600, math.ceil(spec.ready_timeout_s) + 300)}s"}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": revision.name,
            "namespace": around.namespace,
            # Our gateway leads to it, not KServe's or Knative's.
            "labels": {**revision.labels, private: "cluster-local"},
            "annotations": {
                "serving.kserve.io/deploymentMode": mode,
                "pulumi.com/waitFor": "condition=Ready",
                # On Knative, Knative's; else ours, which also knows KEDA's triggers and working hours.
                **({} if on_knative else {"serving.kserve.io/autoscalerClass": "external"}),
            },
        },
        "spec": {
            "predictor": {
                **own,
                "labels": {**revision.labels, **callers(spec)},
                "annotations": {**annotations(spec), **(deadline if on_knative else {})},
                **pod(spec, revision, around, CONTAINER),
            }
        },
    }
