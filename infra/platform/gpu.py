"""GPUs: pods ask for them by number, for a share, or for a slice, and Prometheus sees how busy they are."""

from dataclasses import dataclass
from typing import Any

import pulumi

from infra import versions
from infra.platform.release import Chart, release
from infra.platform.surroundings import GpuSharing

PLUGIN = Chart("nvidia-device-plugin", versions.NVIDIA_DEVICE_PLUGIN, "https://nvidia.github.io/k8s-device-plugin")
EXPORTER = Chart("dcgm-exporter", versions.DCGM_EXPORTER, "https://nvidia.github.io/dcgm-exporter/helm-charts")
SHARES = 4
"""Pods on one GPU when they take turns. Nothing keeps them out of each other's memory: four models of 20 GB fit."""
NODES = {"modelserve/pool": "gpu"}
TOLERATIONS = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
# A node says by its label which of these holds for it; one that says nothing has the first.
CONFIGURATIONS = {
    "exclusive": "version: v1\n",
    "time-slicing": "version: v1\n"
    "sharing:\n"
    "  timeSlicing:\n"
    # Who asks for two would get two turns on the same GPU, and not what they think.
    "    failRequestsGreaterThanOne: true\n"
    "    resources:\n"
    f"    - {{name: nvidia.com/gpu, replicas: {SHARES}}}\n",
    "mig": "version: v1\nflags:\n  migStrategy: single\n",
}


@dataclass(frozen=True)
class GpuArgs:
    """What GPUs need from their surroundings.

    Attributes:
        sharing: how pods share a GPU of nodes that do not say it themselves.
    """

    sharing: GpuSharing


class Gpu(pulumi.ComponentResource):
    """NVIDIA's device plugin and exporter, on nodes with a GPU."""

    def __init__(self, name: str, args: GpuArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Gpu", name, None, opts)
        # Both need devices of the node, so they run with the other agents of nodes.
        plugin: dict[str, Any] = {
            "config": {"map": CONFIGURATIONS, "default": args.sharing},
            "nodeSelector": NODES,
            # The chart's own asks for labels that another agent would have to set.
            "affinity": None,
            "tolerations": TOLERATIONS,
        }
        exporter: dict[str, Any] = {
            "nodeSelector": NODES,
            "tolerations": TOLERATIONS,
            "serviceMonitor": {"enabled": True, "interval": "15s"},
        }
        child = pulumi.ResourceOptions(parent=self)
        release("nvidia-device-plugin", PLUGIN, "kube-system", plugin, child)
        release("dcgm-exporter", EXPORTER, "kube-system", exporter, child)
        self.register_outputs({})
