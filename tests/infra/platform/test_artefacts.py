"""Models on their way into the object store of a cluster, with a command of ours in kubectl's place."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.local import orphans
from infra.local.home import LocalError
from infra.platform.artefacts import ArtefactsProvider
from models.artefact import MANIFEST, Artefact
from tests.infra.kind.machine import Machine
from tests.infra.platform.cluster import dev
from tests.unit.bucket import written
from tests.until import until

RESOURCE = "pulumi-python:dynamic/platform:Artefacts"
FILES = {"artefact.json", "labels.txt", "model.onnx"}


@pytest.fixture
def bucket(machine: Machine) -> Path:
    """Where the objects of the bucket that apps read from lie."""
    return machine.folder.with_name("buckets") / "models"


def told(tmp_path: Path, version: str = "1.0.0", **changes: Any) -> dict[str, Any]:
    folder = tmp_path / "made" / "toy" / version
    if not folder.exists():
        written(folder)
    digests = {name: file.sha256 for name, file in Artefact.load(folder).files.items()}
    return {
        "kubeconfig": "/of/the.kubeconfig",
        "namespace": "serving",
        "url": "s3://models",
        "folders": [str(folder)],
        "digests": {f"toy/{version}": digests},
        **changes,
    }


def calls(machine: Machine) -> list[list[Any]]:
    return [json.loads(line) for line in machine.folder.with_name("kubectl.jsonl").read_text().splitlines()]


def forwarding(machine: Machine) -> int:
    [pid] = [pid for pid, *command in calls(machine) if command[0] == "port-forward"]
    return pid


def has_ended(pid: int) -> bool:
    try:
        return orphans.has_ended(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def test_files_lie_under_model_and_version(machine: Machine, bucket: Path, tmp_path: Path) -> None:
    ArtefactsProvider().create(told(tmp_path))
    assert {str(file.relative_to(bucket)) for file in bucket.rglob("*.*") if file.is_file()} == {
        f"toy/1.0.0/{name}" for name in FILES
    }


def test_what_is_published_is_whole(machine: Machine, bucket: Path, tmp_path: Path) -> None:
    ArtefactsProvider().create(told(tmp_path))
    assert Artefact.load(bucket / "toy" / "1.0.0").labels == "labels.txt"


def test_the_store_is_entered_with_the_key_of_the_apps(
    machine: Machine, bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A session of the user's own must not get in between: the store lets one key in.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "users")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    ArtefactsProvider().create(told(tmp_path))
    assert (bucket / "toy" / "1.0.0" / MANIFEST).is_file()


def test_the_key_is_neither_in_state_nor_an_argument(machine: Machine, tmp_path: Path) -> None:
    made = ArtefactsProvider().create(told(tmp_path))
    assert "s3cret" not in str(made.outs)
    assert "s3cret" not in str(calls(machine))


def test_the_way_is_closed_when_all_is_there(machine: Machine, tmp_path: Path) -> None:
    ArtefactsProvider().create(told(tmp_path))
    until(lambda: has_ended(forwarding(machine)), "kubectl ends")


def test_the_way_is_closed_when_the_run_is_killed(machine: Machine) -> None:
    program = (
        "from infra.port_forward import *\nwith forwarded('k', 'n', 's', 1) as port: print(port, flush=True), input()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as run:
        assert run.stdout
        assert run.stdout.readline()
        pid = forwarding(machine)
        run.kill()
        until(lambda: has_ended(pid), "kubectl ends")


def test_the_way_is_open_on_this_machine_alone(machine: Machine, tmp_path: Path) -> None:
    ArtefactsProvider().create(told(tmp_path))
    [command] = [command for _, *command in calls(machine) if command[0] == "port-forward"]
    assert command[1:3] == ["service/object-store", ":8333"]
    assert "--address=127.0.0.1" in command


def test_an_interrupted_run_is_completed_by_the_next(machine: Machine, bucket: Path, tmp_path: Path) -> None:
    ArtefactsProvider().create(told(tmp_path))
    (bucket / "toy" / "1.0.0" / MANIFEST).unlink()
    (bucket / "toy" / "1.0.0" / "model.onnx").write_bytes(b"half")
    ArtefactsProvider().create(told(tmp_path))
    assert Artefact.load(bucket / "toy" / "1.0.0")


def test_another_version_comes_beside_the_first(machine: Machine, bucket: Path, tmp_path: Path) -> None:
    before = told(tmp_path)
    ArtefactsProvider().create(before)
    ArtefactsProvider().update("artefacts", before, told(tmp_path, "1.1.0"))
    assert {folder.name for folder in (bucket / "toy").iterdir()} == {"1.0.0", "1.1.0"}


def test_a_version_that_is_another_there_is_refused(machine: Machine, bucket: Path, tmp_path: Path) -> None:
    ArtefactsProvider().create(told(tmp_path))
    (bucket / "toy" / "1.0.0" / MANIFEST).write_text("{}")
    with pytest.raises(LocalError, match="A version never changes"):
        ArtefactsProvider().create(told(tmp_path))


def test_nothing_is_to_do_while_the_digests_are_the_same(machine: Machine, tmp_path: Path) -> None:
    moved = told(tmp_path, folders=["/another/checkout/toy/1.0.0"])
    assert not ArtefactsProvider().diff("artefacts", told(tmp_path), moved).changes


@pytest.mark.parametrize("change", [{"digests": {}}, {"kubeconfig": "/of/another"}], ids=["digests", "cluster"])
def test_other_digests_and_another_cluster_are_something_to_do(tmp_path: Path, change: dict[str, Any]) -> None:
    assert ArtefactsProvider().diff("artefacts", told(tmp_path), told(tmp_path, **change)).changes


def test_a_refresh_finds_what_is_there(machine: Machine, tmp_path: Path) -> None:
    ArtefactsProvider().create(told(tmp_path))
    assert ArtefactsProvider().read("artefacts", told(tmp_path)).id == "artefacts"


@pytest.mark.parametrize("content", [None, b"{}"], ids=["gone", "changed"])
def test_a_refresh_finds_what_is_not_there(
    machine: Machine, bucket: Path, tmp_path: Path, content: bytes | None
) -> None:
    ArtefactsProvider().create(told(tmp_path))
    (bucket / "toy" / "1.0.0" / MANIFEST).unlink()
    if content:
        (bucket / "toy" / "1.0.0" / MANIFEST).write_bytes(content)
    assert ArtefactsProvider().read("artefacts", told(tmp_path)).id is None


@pytest.mark.parametrize(
    ("fact", "says"),
    [
        ({"down": True}, r"server .* was refused\n  See whether the cluster answers: kubectl --kubeconfig=/of/the"),
        (
            {"broken": True},
            "Service object-store in namespace object-store cannot be reached; kubectl said: error: una",
        ),
    ],
    ids=["cluster", "pod"],
)
def test_what_does_not_answer_is_told(machine: Machine, tmp_path: Path, fact: dict[str, bool], says: str) -> None:
    machine.has(**fact)
    with pytest.raises(LocalError, match=says):
        ArtefactsProvider().create(told(tmp_path))


def test_a_machine_without_kubectl_is_told_where_it_is(machine: Machine, tmp_path: Path) -> None:
    machine.lacks("kubectl")
    with pytest.raises(LocalError, match="kubectl is not on PATH"):
        ArtefactsProvider().create(told(tmp_path))


def test_every_app_waits_for_the_models() -> None:
    workloads = [
        (typ, name)
        for typ, name, inputs in dev().resources
        if typ.endswith((":InferenceService", ":Deployment", ":RayService"))
        and inputs["metadata"]["namespace"] == "serving"
    ]
    assert len(workloads) >= 5
    for workload in workloads:
        assert dev().waits(workload, (RESOURCE, "artefacts")), workload


def test_the_models_wait_for_buckets_and_for_the_key() -> None:
    assert dev().waits((RESOURCE, "artefacts"), ("kubernetes:batch/v1:Job", "objects-buckets"))
    assert dev().waits((RESOURCE, "artefacts"), ("kubernetes:core/v1:Secret", "objects-apps"))


def test_what_the_specs_name_and_this_machine_has_is_published() -> None:
    assert "circle_detector/1.1.0" in dev().only(RESOURCE)["digests"]
