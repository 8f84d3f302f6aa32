"""MIG, without a GPU: what a node is told, and whether a machine that does as told joins with its GPUs cut."""

import json
import os
import subprocess
from base64 import b64decode
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.aws.mig import MIG_PROFILES, cloud_config, mig_slices
from infra.aws.node_config import user_data

COMMANDS = Path(__file__).parent / "bin"


def told(profile: str = "1g.5gb", slices: int = 7) -> dict[str, Any]:
    """What cloud-init reads in the user data of a node."""
    document = b64decode(user_data(True, cloud_config(profile, slices)))
    nodeadm, cloud_init = BytesParser(policy=default).parsebytes(document).iter_parts()
    assert nodeadm.get_content_type() == "application/node.eks.aws"
    assert cloud_init.get_content_type() == "text/cloud-config"
    return yaml.safe_load(cloud_init.get_content())


def files(profile: str = "1g.5gb", slices: int = 7) -> dict[str, str]:
    return {file["path"]: file["content"] for file in told(profile, slices)["write_files"]}


def unit(profile: str = "1g.5gb", slices: int = 7) -> dict[str, str]:
    lines = files(profile, slices)["/etc/systemd/system/cut-gpus.service"].splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


class Node:
    """A machine with two GPUs that starts with the user data of a node, over and over."""

    def __init__(self, folder: Path, model: str, **state: Any) -> None:
        self._folder = folder
        gpus = [{"mode": "Disabled", "pending": "Disabled", "slices": []} for _ in range(2)]
        usual = {"driver": "loaded", "in_use": False, "defect": False, "broken": None, "reboots": 0}
        self.now: dict[str, Any] = usual | {"model": model, "gpus": gpus} | state

    @property
    def slices(self) -> list[list[str]]:
        return [gpu["slices"] for gpu in self.now["gpus"]]

    def boot(self, profile: str, slices: int) -> bool:
        """Run what the kubelet waits for, also after a reboot that it asks for; whether the kubelet starts then."""
        program, layout = unit(profile, slices)["ExecStart"].split(" ")
        script = self._folder / "cut-gpus"
        script.write_text(files(profile, slices)[program])
        state = self._folder / "gpus.json"
        state.write_text(json.dumps(self.now))
        path = os.pathsep.join((str(COMMANDS), os.environ["PATH"]))
        variables = {"PATH": path, "FAKE_GPUS": str(state), "STATE_DIRECTORY": str(self._folder)}
        done = subprocess.run(["bash", script, layout], env=variables, capture_output=True, text=True, check=False)
        before, self.now, self.said = self.now["reboots"], json.loads(state.read_text()), done.stderr
        if self.now["reboots"] > before:
            assert done.returncode != 0, "the kubelet would start while the machine goes down"
            return self.boot(profile, slices)
        return done.returncode == 0

    def restart(self) -> None:
        """A reboot that somebody else asked for."""
        kept = self.now["model"].startswith("A100")
        for gpu in self.now["gpus"]:
            gpu["mode"] = gpu["mode"] if kept else "Disabled"
            gpu["slices"] = []


def test_the_kubelet_starts_after_the_gpus_are_cut_and_not_without() -> None:
    assert (unit()["Before"], unit()["RequiredBy"]) == ("kubelet.service", "kubelet.service")
    assert unit()["Type"] == "oneshot"
    assert ["systemctl", "enable", "cut-gpus.service"] in told()["runcmd"]


def test_gpus_are_cut_once_the_driver_and_its_daemons_are_up() -> None:
    assert {"nvidia-kmod-load.service", "nvidia-fabricmanager.service"} <= set(unit()["After"].split())


def test_cloud_init_reads_a_document_of_its_kind() -> None:
    assert cloud_config("1g.5gb", 7).startswith("#cloud-config\n")
    assert {file["permissions"] for file in told()["write_files"]} == {"0755", "0644"}


def test_user_data_is_no_longer_than_ec2_takes() -> None:
    assert len(b64decode(user_data(True, cloud_config("1g.18gb", 7)))) < 16 * 1024


@pytest.mark.parametrize("model", ["A100-SXM4-40GB", "H100 80GB HBM3"])
def test_every_gpu_is_cut_into_as_many_slices_as_fit(model: str, tmp_path: Path) -> None:
    node = Node(tmp_path, model)
    assert node.boot("3g.20gb", 2)
    assert node.slices == [["3g.20gb", "3g.20gb"]] * 2
    assert not node.now["reboots"]


def test_an_a100_that_only_a_reboot_puts_into_the_mode_gets_one(tmp_path: Path) -> None:
    node = Node(tmp_path, "A100-SXM4-40GB", in_use=True)
    assert node.boot("1g.5gb", 7)
    assert node.now["reboots"] == 1
    assert node.slices == [["1g.5gb"] * 7] * 2


@pytest.mark.parametrize("model", ["A100-SXM4-40GB", "H100 80GB HBM3"])
def test_a_node_that_is_rebooted_later_cuts_its_gpus_again(model: str, tmp_path: Path) -> None:
    node = Node(tmp_path, model)
    assert node.boot("3g.20gb", 2)
    node.restart()
    assert node.boot("3g.20gb", 2)
    assert node.slices == [["3g.20gb", "3g.20gb"]] * 2


def test_a_service_that_is_started_twice_cuts_once(tmp_path: Path) -> None:
    node = Node(tmp_path, "A100-SXM4-40GB")
    assert node.boot("1g.5gb", 7)
    assert node.boot("1g.5gb", 7)


@pytest.mark.parametrize("model", ["A100-SXM4-40GB", "H100 80GB HBM3"])
def test_a_node_whose_gpus_stay_out_of_the_mode_reboots_once_and_does_not_join(model: str, tmp_path: Path) -> None:
    node = Node(tmp_path, model, in_use=True, defect=True)
    assert not node.boot("1g.5gb", 7)
    assert node.now["reboots"] == 1
    assert "GPUs are not in MIG mode although the machine was rebooted for it: Disabled, Disabled" in node.said


def test_a_node_mended_since_may_reboot_again_for_the_next_time(tmp_path: Path) -> None:
    node = Node(tmp_path, "H100 80GB HBM3", in_use=True)
    assert not node.boot("1g.10gb", 7)
    node.now["in_use"] = False
    assert node.boot("1g.10gb", 7)
    node.restart()
    node.now["in_use"] = True
    assert not node.boot("1g.10gb", 7)
    assert node.now["reboots"] == 2


@pytest.mark.parametrize("state", [{"broken": 1}, {"driver": "missing"}, {"gpus": []}])
def test_a_node_with_a_gpu_that_cannot_be_cut_does_not_join(state: dict[str, Any], tmp_path: Path) -> None:
    node = Node(tmp_path, "A100-SXM4-40GB", **state)
    assert not node.boot("1g.5gb", 7)
    assert node.said


@pytest.mark.parametrize(
    ("types", "profile", "slices"),
    [
        (("p4d.24xlarge",), "1g.5gb", 7),
        (("p4d.24xlarge",), "1g.10gb", 4),
        (("p4de.24xlarge", "p5.48xlarge"), "1g.10gb", 7),
        (("p5en.48xlarge",), "3g.71gb", 2),
    ],
)
def test_slices_follow_from_the_memory_of_the_gpu(types: tuple[str, ...], profile: str, slices: int) -> None:
    assert mig_slices(types, profile) == slices


@pytest.mark.parametrize(
    ("types", "profile", "says"),
    [
        (("g5.xlarge",), "1g.5gb", r"GPUs of g5.xlarge cannot be sliced; mig wants one of p4d, p4de, p5, p5e, p5en"),
        (("p4d.24xlarge",), None, "mig_profile is missing; GPUs of p4d.24xlarge are cut into one of 1g.5gb, 1g.10gb"),
        (("p5.48xlarge",), "1g.5gb", "mig_profile is 1g.5gb; GPUs of p5.48xlarge are cut into one of 1g.10gb"),
        (("p5.48xlarge", "p5e.48xlarge"), "1g.10gb", "GPUs of p5e.48xlarge are cut into one of 1g.18gb"),
        (
            ("p4d.24xlarge", "p4de.24xlarge"),
            "1g.10gb",
            "makes 4 slices of p4d.24xlarge, 7 slices of p4de.24xlarge; give types of one family",
        ),
    ],
)
def test_a_profile_that_a_gpu_does_not_have_is_refused_with_those_that_it_has(
    types: tuple[str, ...], profile: str | None, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        mig_slices(types, profile)


def test_no_profile_cuts_a_gpu_into_more_than_it_has() -> None:
    """An A100 and what came after it have seven slices of processors and eight of memory (MIG User Guide)."""
    for profiles in MIG_PROFILES.values():
        for profile, count in profiles.items():
            assert int(profile.partition("g.")[0]) * count <= 7
