"""How a node starts: the kubelet's settings, and the interfaces that its instance type has for EFA."""

import json
from base64 import b64encode
from typing import Any, Literal

Kind = Literal["general", "memory", "gpu", "spot"]
"""What a node is for."""
GpuSharing = Literal["exclusive", "time-slicing", "mig"]
"""How pods share a GPU."""

# More pods on a node than this is outside what Kubernetes is tested for ("Considerations for large clusters"); nodeadm
# would count interfaces instead, and not know of the network add-on's address prefixes.
MAX_PODS = 110

EFA_INTERFACES = {
    **dict.fromkeys(("g4dn.8xlarge", "g4dn.12xlarge", "g4dn.16xlarge", "g4dn.metal"), 1),
    **{f"g{family}.{size}xlarge": 1 for family in ("5", "6") for size in (8, 12, 16, 24, 48)},
    **dict.fromkeys(("g6e.8xlarge", "g6e.12xlarge", "g6e.16xlarge"), 1),
    **{"g6e.24xlarge": 2, "g6e.48xlarge": 4},
    **{"p4d.24xlarge": 4, "p4de.24xlarge": 4, "p5.48xlarge": 32, "p5e.48xlarge": 32, "p5en.48xlarge": 16},
}
"""Network cards for EFA by instance type (EC2 user guide, "Maximize network bandwidth on accelerated instances")."""


def efa_interfaces(instance_types: tuple[str, ...]) -> int:
    """Interfaces for EFA that every one of the instance types has; 0 where they differ or have none.

    A launch template says one number for all of its types.
    """
    counts = {EFA_INTERFACES.get(instance_type, 0) for instance_type in instance_types}
    return counts.pop() if len(counts) == 1 else 0


def user_data(pin_to_numa: bool, cloud_config: str | None = None) -> str:
    """Write the node's configuration for nodeadm (AL2023), as the base64 that a launch template takes.

    EKS adds the part that joins the cluster. ENA, and with it SR-IOV, needs no setting: Nitro types have it on.

    Args:
        pin_to_numa: give pods in the Guaranteed class cores of their own beside the GPU that they got.
        cloud_config: what cloud-init does before the node joins.
    """
    kubelet: dict[str, Any] = {"maxPods": MAX_PODS}
    if pin_to_numa:
        kubelet |= {
            # Starts only with CPU kept back for the system; nodeadm does that by the size of the machine.
            "cpuManagerPolicy": "static",
            # Not single-numa-node: that would refuse a pod which wants all GPUs of a machine with two NUMA nodes.
            "topologyManagerPolicy": "restricted",
        }
    config = {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": {"kubelet": {"config": kubelet}}}
    parts = ["--NODE", "Content-Type: application/node.eks.aws", "", json.dumps(config, indent=2)]
    if cloud_config:
        parts += ["--NODE", "Content-Type: text/cloud-config", "", cloud_config]
    parts += ["--NODE--", ""]
    return b64encode(
        "\n".join(["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="NODE"', "", *parts]).encode()
    ).decode()
