"""Argo Workflows: runs the steps of training pipelines."""

from dataclasses import dataclass
from typing import Any

import pulumi

from infra import versions
from infra.platform.bucket import Bucket
from infra.platform.istio import SECCOMP
from infra.platform.release import Chart, release

CHART = Chart("argo-workflows", versions.ARGO_WORKFLOWS, "https://argoproj.github.io/argo-helm")
RUNNER = "pipeline-runner"
"""Service account of the steps."""
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": SECCOMP,
}


@dataclass(frozen=True)
class ArgoArgs:
    """What Argo needs from its surroundings.

    Attributes:
        namespace: of controller and workflows, the same as Kubeflow's.
        replicas: of the controller; one leads.
        artifacts: where logs and files of steps go.
    """

    namespace: str
    replicas: int
    artifacts: Bucket


class Argo(pulumi.ComponentResource):
    """The controller; its page is Kubeflow's."""

    def __init__(self, name: str, args: ArgoArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Argo", name, None, opts)
        release("argo-workflows", CHART, args.namespace, values(args), pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


def values(args: ArgoArgs) -> dict[str, Any]:
    """What the controller is told."""
    bucket = args.artifacts
    key = "{{workflow.name}}/{{pod.name}}"
    s3: dict[str, Any] = {
        "bucket": bucket.name,
        "region": bucket.region,
        "keyFormat": bucket.prefix.apply(lambda prefix: f"{prefix}/steps/{key}".lstrip("/")),
    }
    if bucket.endpoint and bucket.secret:
        s3 |= {
            "endpoint": bucket.endpoint.removeprefix("http://"),
            "insecure": True,
            "accessKeySecret": {"name": bucket.secret, "key": "AWS_ACCESS_KEY_ID"},
            "secretKeySecret": {"name": bucket.secret, "key": "AWS_SECRET_ACCESS_KEY"},
        }
    else:
        s3 |= {"endpoint": f"s3.{bucket.region}.amazonaws.com", "useSDKCreds": True}
    return {
        "singleNamespace": True,
        "fullnameOverride": "argo",
        "crds": {"install": True, "keep": False},
        "server": {"enabled": False},
        "controller": {
            "replicas": args.replicas,
            "pdb": {"enabled": args.replicas > 1, "minAvailable": 1},
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
            "podSecurityContext": {"runAsNonRoot": True, "seccompProfile": SECCOMP},
            # A namespace that enforces "restricted" takes no step that does not say all of this.
            "workflowDefaults": {
                "spec": {
                    "serviceAccountName": RUNNER,
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": SECCOMP},
                    "ttlStrategy": {"secondsAfterCompletion": 86_400},
                    "podGC": {"strategy": "OnPodSuccess"},
                }
            },
        },
        "mainContainer": {"securityContext": RESTRICTED},
        "executor": {
            "securityContext": RESTRICTED,
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        },
        "workflow": {"serviceAccount": {"create": False}, "rbac": {"create": False}},
        "artifactRepository": {"archiveLogs": True, "s3": s3},
    }
