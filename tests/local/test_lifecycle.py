"""From nothing to a platform and back, also when it is cut off in the middle."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.local.conftest import checkout
from tests.local.platform import Platform
from tests.until import until
from toolchain import places, setup
from toolchain.cli import STOPPED

pytestmark = pytest.mark.local


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Platform]:
    """A checkout in which nothing was deployed yet; empty again afterwards."""
    made = checkout(tmp_path)
    yield made
    made.pulumi("cancel", "--yes", "local", check=False)
    made.destroy()
    for process in made.processes():
        process.kill()


@pytest.fixture
def ready(bare: Platform) -> Platform:
    """The same, set up."""
    bare.settle()
    return bare


def make(platform: Platform, target: str) -> tuple[str, str]:
    """What it says on standard output and on standard error."""
    with platform.make(target) as making:
        said = making.communicate()
    assert making.returncode == 0, said
    return said


def installed(platform: Platform) -> dict[str, int]:
    """Everything that a set-up could make or renew, with when that was; the engine's logs aside."""
    folders = (platform.root / ".venv", platform.root / ".modelserve", places.cache())
    found = [file for folder in folders for file in folder.glob("**/*") if "logs" not in file.parts]
    found += (places.VENV / "lib").glob("python*/site-packages/*.dist-info")
    return {str(file): file.lstat().st_mtime_ns for file in found}


def files(platform: Platform) -> set[str]:
    """What lies in the stack's own folder; the engine's state and the logs aside."""
    own = platform.root / ".modelserve" / "local"
    return {str(file.relative_to(own)) for file in own.rglob("*") if file.is_file() and "log" not in file.parts}


def test_a_set_up_that_is_done_does_nothing(ready: Platform) -> None:
    before = installed(ready)
    assert "nothing was to do" in make(ready, "setup")[1]
    assert installed(ready) == before


def test_a_second_make_up_sets_nothing_up_and_changes_nothing(ready: Platform) -> None:
    make(ready, "up")
    said, complained = make(ready, "up")
    assert complained == ""
    assert re.search(r"Resources:\n +\d+ unchanged\n", said)
    assert f"{ready.gateway}/detector/" in said


def test_ctrl_c_in_a_set_up_leaves_no_process_and_the_next_one_works(ready: Platform, tmp_path: Path) -> None:
    """Installing, it waits for a uv that hangs, until that may go on: then everything is installed already."""
    held, released, uv = tmp_path / "held", tmp_path / "released", tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    hang = f"test -e {released} || {{ echo $$ > {held}; exec sleep 600; }}"
    uv.write_text(f'#!/bin/sh\ntest "$1" != --version || exec echo uv 99.0.0\n{hang}\n')
    uv.chmod(0o755)
    (ready.root / ".venv" / setup.STAMP.name).unlink()
    ready.environment["PATH"] = f"{uv.parent}{os.pathsep}{ready.environment['PATH']}"
    command = [sys.executable, "-m", "toolchain", "setup"]
    # In a session of its own, like that of a terminal.
    cut = subprocess.Popen(
        command, cwd=ready.root, env=ready.environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until(lambda: held.exists() and held.read_text(), "uv hangs")
    os.killpg(cut.pid, signal.SIGINT)
    said = cut.communicate(timeout=60)[1]
    assert (cut.returncode, said.splitlines()[-1]) == (130, STOPPED)
    assert not psutil.pid_exists(int(held.read_text()))
    released.touch()
    assert "Set up. Next: make up" in make(ready, "setup")[1]


def test_destroy_leaves_no_process_or_port_and_up_finds_the_pictures_again(bare: Platform, coins: bytes) -> None:
    bare.up()
    stored = bare.post("/images/", coins).json()
    bare.destroy()
    assert bare.processes() == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{bare.gateway}/")
    bare.up()
    assert httpx.get(f"{bare.gateway}/images/{stored['id']}/objects").json()["objects"] == stored["objects"]


def test_two_checkouts_on_one_machine_do_not_disturb_each_other(
    bare: Platform, tmp_path_factory: pytest.TempPathFactory, coins: bytes
) -> None:
    bare.up()
    with checkout(tmp_path_factory.mktemp("one with spaces")).up_meanwhile() as other:
        theirs = other.post("/images/", coins).json()["id"]
        assert httpx.get(f"{bare.gateway}/images/{theirs}/objects").status_code == 404
        running = {process.pid for process in other.processes()}
        bare.destroy()
        assert {process.pid for process in other.processes()} == running
        assert httpx.get(f"{other.gateway}/images/{theirs}/objects").status_code == 200


def test_nothing_is_left_at_home_or_among_temporary_files(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, coins: bytes
) -> None:
    monkeypatch.setenv("MODELSERVE_CACHE", str(places.cache()))
    elsewhere = {name: tmp_path_factory.mktemp(name.lower()) for name in ("HOME", "TMPDIR")}
    for name, folder in elsewhere.items():
        monkeypatch.setenv(name, str(folder))
    with checkout(tmp_path_factory.mktemp("checkout")).up_meanwhile() as platform:
        assert platform.post("/images/", coins).status_code == 201
    assert [file for folder in elsewhere.values() for file in folder.rglob("*")] == []


def test_what_is_not_retained_is_gone_with_the_stack(bare: Platform, coins: bytes) -> None:
    bare.configure("data.retain", False)
    bare.up()
    assert bare.post("/images/", coins).status_code == 201
    bare.destroy()
    assert files(bare) == set()


def test_up_works_after_an_up_that_was_interrupted(bare: Platform, coins: bytes) -> None:
    cut = bare.start("up", "--yes", "--skip-preview", "--stack", "local")
    assert cut.stdout is not None
    until(lambda: "detector creating" in cut.stdout.readline(), "the engine starts the detector", 60)  # type: ignore[union-attr]
    os.killpg(cut.pid, signal.SIGINT)
    cut.communicate(timeout=60)
    assert cut.returncode != 0
    bare.up()
    assert bare.post("/images/", coins).status_code == 201
    assert bare.up().keys() == {"same"}


def test_up_works_after_the_engine_was_killed(bare: Platform, coins: bytes) -> None:
    cut = bare.start("up", "--yes", "--skip-preview", "--stack", "local")
    assert cut.stdout is not None
    until(lambda: "detector creating" in cut.stdout.readline(), "the engine starts the detector", 60)  # type: ignore[union-attr]
    os.killpg(cut.pid, signal.SIGKILL)
    cut.communicate(timeout=60)
    told = bare.modelserve("doctor")
    assert "pulumi cancel" in told.stdout
    bare.pulumi("cancel", "--yes", "local")
    bare.up()
    assert bare.post("/images/", coins).status_code == 201


def test_a_taken_port_is_named_with_its_holder(bare: Platform) -> None:
    port = int(bare.gateway.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        told = bare.pulumi("up", "--yes", "--skip-preview", "--stack", "local", check=False)
        found = bare.modelserve("doctor")
    assert told.returncode != 0
    for said in (told.stdout, found.stdout):
        assert f"{port} is taken by" in said
        assert f"pid {os.getpid()}" in said
        assert "write modelserve:gateway.port: " in said
    assert "Traceback" not in told.stdout


def test_a_wrong_setting_stops_before_anything_is_made(bare: Platform) -> None:
    bare.configure("gateway.prot", 8081)
    told = bare.pulumi("up", "--yes", "--skip-preview", "--stack", "local", check=False)
    assert told.returncode != 0
    assert "modelserve:gateway.prot is not a setting; its value is '8081'" in told.stdout
    assert "Traceback" not in told.stdout
    assert bare.processes() == []


def test_a_wrong_setting_that_is_a_secret_is_not_told(bare: Platform) -> None:
    bare.pulumi("config", "set", "--stack", "local", "--secret", "modelserve:gateway.prot", "hunter2")
    told = bare.pulumi("up", "--yes", "--skip-preview", "--stack", "local", check=False)
    assert "modelserve:gateway.prot is not a setting; its value is '[secret]'" in told.stdout
    assert "hunter2" not in told.stdout + told.stderr


def test_a_corrupt_artefact_stops_its_app_and_is_named(bare: Platform) -> None:
    model = bare.root / "models/circle_detector/1.1.0/model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"\0")
    # On a machine busy with other tests a process takes ten seconds to say what is wrong.
    bare.edit("detector", lambda spec: spec.update(ready_timeout_s=20))
    told = bare.pulumi("up", "--yes", "--skip-preview", "--stack", "local", check=False)
    assert told.returncode != 0
    assert "SHA-256" in told.stdout
    assert "Traceback" not in told.stdout
