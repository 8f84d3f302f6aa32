"""KubeRay: Ray clusters for apps that are composed of several models."""

import pulumi

from infra import versions
from infra.platform.istio import SECCOMP
from infra.platform.namespace import NamespaceArgs
from infra.platform.release import Chart, release

NAME = "kuberay-operator"
CHART = Chart(NAME, versions.KUBERAY, "https://ray-project.github.io/kuberay-helm")
NAMESPACE = NamespaceArgs()


class KubeRay(pulumi.ComponentResource):
    """The operator, which watches the apps' namespace."""

    def __init__(self, name: str, namespace: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:KubeRay", name, None, opts)
        values = {
            "singleNamespaceInstall": False,
            "watchNamespace": ["serving"],
            "podSecurityContext": {"runAsNonRoot": True, "seccompProfile": SECCOMP},
            "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
        }
        release(NAME, CHART, namespace, values, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})
