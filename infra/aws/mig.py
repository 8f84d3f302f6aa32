"""MIG: which GPUs can be cut into which slices, and what a node is told so that it cuts them before it joins."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

A100_40GB = {"1g.5gb": 7, "1g.10gb": 4, "2g.10gb": 3, "3g.20gb": 2, "4g.20gb": 1, "7g.40gb": 1}
GPU_80GB = {"1g.10gb": 7, "1g.20gb": 4, "2g.20gb": 3, "3g.40gb": 2, "4g.40gb": 1, "7g.80gb": 1}
H200 = {"1g.18gb": 7, "1g.35gb": 4, "2g.35gb": 3, "3g.71gb": 2, "4g.71gb": 1, "7g.141gb": 1}

MIG_PROFILES: Mapping[str, Mapping[str, int]] = {
    "p4d": A100_40GB,
    "p4de": GPU_80GB,
    "p5": GPU_80GB,
    "p5e": H200,
    "p5en": H200,
}
"""Slices of a GPU by instance family and profile (NVIDIA, "MIG User Guide"; mig-parted's ``config-default.yaml``)."""

SCRIPT = Path(__file__).with_name("cut_gpus.sh")
COMMAND = "/usr/local/sbin/cut-gpus"
SERVICE = "cut-gpus.service"
# The kubelet requires it, also when nodeadm starts that one: a machine whose GPUs are not cut never joins.
UNIT = """\
[Unit]
Description=Cut the GPUs into MIG slices
# The driver, its daemons and what sets the clocks: each uses the GPUs while it starts.
After=nvidia-kmod-load.service nvidia-fabricmanager.service nvidia-persistenced.service set-nvidia-clocks.service
Before=kubelet.service

[Service]
Type=oneshot
RemainAfterExit=true
StateDirectory=cut-gpus
# As long as mig-parted's own unit has.
TimeoutStartSec=480
ExecStart={command} {layout}
StandardOutput=journal+console
StandardError=journal+console

[Install]
RequiredBy=kubelet.service
"""


def mig_slices(instance_types: Sequence[str], profile: str | None) -> int:
    """Slices of one GPU when it is cut by a profile.

    Args:
        instance_types: EC2 types of one group of nodes.
        profile: for example ``1g.10gb``: a seventh of the processors, 10 GB of memory.

    Raises:
        ValueError: a type has GPUs that cannot be cut, or cannot be cut so, or the types differ in it.
    """
    counts: dict[str, int] = {}
    for each in instance_types:
        possible = MIG_PROFILES.get(each.partition(".")[0])
        if possible is None:
            raise ValueError(f"GPUs of {each} cannot be sliced; mig wants one of {', '.join(MIG_PROFILES)}")
        if profile is None or profile not in possible:
            raise ValueError(
                f"mig_profile is {profile or 'missing'}; GPUs of {each} are cut into one of {', '.join(possible)}"
            )
        counts[each] = possible[profile]
    if len(set(counts.values())) != 1:
        told = ", ".join(f"{count} slices of {each}" for each, count in counts.items())
        raise ValueError(f"mig_profile {profile} makes {told}; give types of one family")
    return next(iter(counts.values()))


def cloud_config(profile: str, slices: int) -> str:
    """What cloud-init is told: write script and unit, and have the kubelet wait for them at this boot and every other.

    cloud-init is done before nodeadm starts the kubelet (amazon-eks-ami #1782).
    """
    unit = UNIT.format(command=COMMAND, layout=",".join([profile] * slices))
    config = {
        "write_files": [
            {"path": COMMAND, "permissions": "0755", "content": SCRIPT.read_text()},
            {"path": f"/etc/systemd/system/{SERVICE}", "permissions": "0644", "content": unit},
        ],
        "runcmd": [["systemctl", "daemon-reload"], ["systemctl", "enable", SERVICE]],
    }
    # It reads YAML, which JSON is too, after a line that says what it is.
    return f"#cloud-config\n{json.dumps(config, indent=2)}"
