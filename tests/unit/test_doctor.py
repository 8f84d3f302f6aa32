"""The doctor: each thing that can be wrong is found, and the finding says what to do."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra import settings
from infra.local.home import Home
from infra.local.ports import is_free
from infra.local.supervisord import Program, Supervisord
from ops import doctor
from ops.cli import command_line
from ops.deployment import NotDeployed
from stacks.outputs import App, Deployment, Version
from toolchain import places


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which nothing was ever deployed."""
    (tmp_path / "Pulumi.local.yaml").write_text("config:\n  modelserve:target: local\n")
    monkeypatch.setattr(settings, "CHECKOUT", tmp_path)
    return tmp_path


@pytest.fixture
def unready() -> Iterator[str]:
    """An app that is alive and says that it is not ready."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(json.dumps({"detail": "model.onnx: expected SHA-256 1, got 2"}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def bad(findings: object) -> list[doctor.Finding]:
    return [each for each in findings if not each.ok]  # type: ignore[attr-defined]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment's programs: none at first, and none elsewhere."""
    monkeypatch.setattr(places, "VENV", tmp_path / ".venv")
    monkeypatch.setenv("PATH", "")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    return tmp_path / ".venv" / "bin"


def install(programs: Path, version: str, *names: str) -> None:
    for name in names:
        (programs / name).write_text(f"#!/bin/sh\necho {version}\n")
        (programs / name).chmod(0o755)


def told_of(tool: str) -> doctor.Finding:
    [found] = [each for each in doctor.tools("local") if each.check == tool]
    return found


def test_a_tool_that_is_not_there_is_found(programs: Path) -> None:
    found = bad(doctor.tools("local"))
    assert [(each.check, each.found) for each in found] == [("pulumi", "not found"), ("prometheus", "not found")]
    assert all(each.remedy == "Run make setup." for each in found)


def test_a_tool_that_works_is_told_with_its_version(programs: Path) -> None:
    install(programs, "3.1.0", "prometheus", "promtool")
    assert told_of("prometheus") == doctor.Finding("prometheus", True, f"{programs}/prometheus, version 3.1.0")


def test_a_tool_that_does_not_run_is_found(programs: Path) -> None:
    install(programs, "3.1.0", "prometheus", "promtool")
    (programs / "prometheus").write_bytes(b"\x7fELF cut off")
    assert "prometheus does not run" in told_of("prometheus").found


def test_a_tool_without_its_companions_is_found(programs: Path) -> None:
    install(programs, "3.1.0", "prometheus")
    assert "misses promtool" in told_of("prometheus").found


def test_a_tool_of_the_wrong_version_is_found(programs: Path) -> None:
    install(programs, "2.30.0", "prometheus", "promtool")
    assert "prometheus is version 2.30.0, which will not do" in told_of("prometheus").found


def test_without_an_engine_the_doctor_tells_of_everything_else(programs: Path) -> None:
    told = CliRunner().invoke(command_line(), ["doctor"])
    assert isinstance(told.exception, SystemExit)
    assert told.exit_code == 1
    assert "bad  pulumi: not found\n     → Run make setup.\n" in told.stdout
    assert "ok   configuration: Pulumi.local.yaml and" in told.stdout
    assert "pulumi does not run (No such file or directory)\n     → Run make setup.\n" in told.stdout


def test_without_an_engine_status_says_how_to_get_one(programs: Path) -> None:
    told = CliRunner().invoke(command_line(), ["status"])
    assert isinstance(told.exception, SystemExit)
    assert told.exit_code == 1
    assert told.stderr.startswith("Nothing is known about stack local: pulumi does not run")
    assert told.stderr.endswith("  Run make setup.\n")


def test_what_was_found_is_told_before_what_is_looked_at_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> list[doctor.Finding]:
        raise RuntimeError

    monkeypatch.setattr(doctor, "disk", broken)
    told = CliRunner().invoke(command_line(), ["doctor"])
    assert isinstance(told.exception, RuntimeError)
    assert "ok   configuration: Pulumi.local.yaml and" in told.stdout


def test_a_wrong_setting_is_found(checkout: Path) -> None:
    (checkout / "Pulumi.local.yaml").write_text("config:\n  modelserve:target: locl\n")
    [found] = bad(doctor.configuration("local"))
    assert "modelserve:target is 'locl'" in found.found


def test_a_stack_without_a_file_is_answered_with_those_that_have_one() -> None:
    [found] = bad(doctor.configuration("nowhere"))
    assert "There is no Pulumi.nowhere.yaml" in found.found
    assert "Stacks are local" in found.found


@pytest.mark.parametrize("key", ["gateway.port", "prometheus.port", "postgres.port", "redis.port", "mlflow.port"])
def test_a_port_that_somebody_else_has_is_found_with_its_holder(checkout: Path, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (checkout / "Pulumi.local.yaml").write_text(
            f"config: {{modelserve:target: local, modelserve:mlflow.enabled: true, modelserve:{key}: {port}}}"
        )
        found = [each for each in bad(doctor.ports("local")) if each.check == key]
    assert f"pid {os.getpid()}" in found[0].found
    [other] = re.findall(rf"write modelserve:{key}: (\d+) into Pulumi.local.yaml", found[0].remedy)
    assert is_free(int(other))


def test_ports_that_may_be_any_are_not_looked_at(checkout: Path) -> None:
    (checkout / "Pulumi.local.yaml").write_text("config: {modelserve:target: local}")
    assert {each.check for each in doctor.ports("local")} == {"gateway.port", "prometheus.port"}


def test_ports_of_a_cluster_are_dockers_and_not_looked_at(checkout: Path) -> None:
    (checkout / "Pulumi.dev.yaml").write_text("config: {modelserve:target: kind}")
    assert list(doctor.ports("dev")) == []


def test_a_lock_whose_holder_is_gone_is_found(checkout: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write_lock(checkout, gone.pid)
    [found] = bad(doctor.lock("local"))
    assert f"held by pid {gone.pid}" in found.found
    assert "pulumi cancel" in found.remedy


def test_a_lock_whose_holder_works_is_fine(checkout: Path) -> None:
    write_lock(checkout, os.getpid())
    assert bad(doctor.lock("local")) == []


def write_lock(checkout: Path, pid: int) -> None:
    folder = checkout / ".modelserve/state/.pulumi/locks/organization/modelserve/local"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text(json.dumps({"pid": pid, "timestamp": "2026-11-01T10:00:00Z"}))


def test_a_change_that_was_cut_off_is_found(checkout: Path) -> None:
    folder = checkout / ".modelserve/state/.pulumi/stacks/modelserve"
    folder.mkdir(parents=True)
    pending = [{"resource": {"urn": "urn:pulumi:local::modelserve::x::detector"}}]
    (folder / "local.json").write_text(json.dumps({"checkpoint": {"latest": {"pending_operations": pending}}}))
    [found] = bad(doctor.interrupted("local"))
    assert "detector" in found.found
    assert found.remedy == "Run make up again."


def test_a_process_without_its_supervisor_is_found(checkout: Path) -> None:
    supervisord = Supervisord(Home(str(checkout / ".modelserve/local")))
    supervisord.program_file("detector-1").parent.mkdir(parents=True)
    program = Program("detector-1", ("python",))
    told = {**vars(program), "command": ["python"], "ports": []}
    supervisord.program_file("detector-1").write_text(json.dumps(told))
    found = {each.check: each for each in bad(doctor.processes("local"))}
    assert found["supervisor"].remedy == "Run make up."
    assert "UNSUPERVISED" in found["detector-1"].found


def test_an_app_whose_model_is_not_ready_is_found_with_the_reason(
    unready: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = Version(label="1.0.0", addresses=[unready], logs=["/logs/detector.log"])
    deployed = Deployment(gateway="http://127.0.0.1:1", apps={"detector": App(summary="", urls=[], versions=[version])})
    monkeypatch.setattr(doctor, "read", lambda _: deployed)
    [found] = bad(doctor.readiness("local"))
    assert "expected SHA-256 1, got 2" in found.found
    assert "/logs/detector.log" in found.remedy


def test_a_stack_that_was_never_deployed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: str) -> Deployment:
        raise NotDeployed("Stack local is not deployed.\n  Run make up.")

    monkeypatch.setattr(doctor, "read", nothing)
    [found] = bad(doctor.readiness("local"))
    assert found.remedy == "Run make up."
