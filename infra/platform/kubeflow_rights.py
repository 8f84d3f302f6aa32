"""What the parts of Kubeflow Pipelines may do in their namespace, and the one kind of object they define."""

from typing import Any, Literal

from infra.kubernetes import Manifest

LAUNCHER = "kfp-launcher"
"""ConfigMap that each step reads."""

ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CRD: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "scheduledworkflows.kubeflow.org"},
    "spec": {
        "group": "kubeflow.org",
        "scope": "Namespaced",
        "names": {
            "kind": "ScheduledWorkflow",
            "listKind": "ScheduledWorkflowList",
            "plural": "scheduledworkflows",
            "singular": "scheduledworkflow",
            "shortNames": ["swf"],
        },
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec", "status"],
                        "properties": {"spec": ANYTHING, "status": ANYTHING},
                    }
                },
            }
        ],
    },
}
"""Runs on a schedule; its controller is the only one who reads what is in it."""

Rule = dict[str, Any]
WRITE = ("create", "get", "list", "watch", "update", "patch", "delete")


def rights(part: Literal["api", "page", "agent", "schedules"]) -> list[Rule]:
    """What one part needs; read off what it calls (kubeflow/pipelines 2.17, manifests/kustomize/base/pipeline)."""
    workflows, schedules = "argoproj.io", "kubeflow.org"
    match part:
        case "api":
            return [
                _rule("", ("pods", "pods/log"), ("get", "list", "delete")),
                _rule("", ("configmaps",), ("get",), (LAUNCHER,)),
                _rule(workflows, ("workflows",), WRITE),
                _rule(schedules, ("scheduledworkflows", "scheduledworkflows/finalizers"), WRITE),
            ]
        case "page":
            return [
                _rule("", ("pods", "pods/log"), ("get",)),
                _rule("", ("events",), ("list",)),
                _rule("", ("configmaps",), ("get",), (LAUNCHER,)),
                _rule(workflows, ("workflows",), ("get", "list")),
            ]
        case "agent":
            return [
                _rule(workflows, ("workflows",), ("get", "list", "watch")),
                _rule(schedules, ("scheduledworkflows",), ("get", "list", "watch")),
                _rule("pipelines.kubeflow.org", ("scheduledworkflows", "workflows"), ("report",)),
                _rule("pipelines.kubeflow.org", ("runs",), ("reportMetrics", "readArtifact")),
            ]
        case "schedules":
            return [
                _rule(workflows, ("workflows",), WRITE),
                _rule(schedules, ("scheduledworkflows", "scheduledworkflows/finalizers"), WRITE),
                _rule("pipelines.kubeflow.org", ("runs",), ("create",)),
                _rule("", ("events",), ("create", "patch")),
            ]


def runner() -> list[Rule]:
    """What a step may do: say how it went, and read where things are. Not other pods, not other Secrets."""
    return [
        _rule("argoproj.io", ("workflowtaskresults",), ("create", "patch")),
        _rule("argoproj.io", ("workflows",), ("get", "list", "watch")),
        _rule("", ("configmaps",), ("get",), (LAUNCHER, "metadata-grpc-configmap")),
        _rule("", ("secrets",), ("get",), ("object-store",)),
        _rule("", ("pods",), ("get", "list", "watch", "patch")),
        _rule("", ("persistentvolumeclaims",), ("create", "get", "list", "delete")),
    ]


def _rule(group: str, resources: tuple[str, ...], verbs: tuple[str, ...], names: tuple[str, ...] = ()) -> Rule:
    made: Rule = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    return {**made, "resourceNames": list(names)} if names else made
