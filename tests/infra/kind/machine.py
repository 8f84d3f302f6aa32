"""A machine whose ``docker``, ``kind``, ``kubectl`` and ``aws`` are programs of ours that record what they are told."""

import io
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from infra import docker

COMMANDS = Path(__file__).parent / "bin"

EMPTY: dict[str, Any] = {
    "calls": [],
    "containers": {},
    "images": {},
    "taken": [],
    "down": False,
    "broken": False,
    "denied": False,
    "killed": False,
    "signed_out": False,
}


class Machine:
    """What is on it, which a test may look at and change.

    Its programs run in the test's own process, which takes milliseconds; a process that a test starts has them on PATH.

    Attributes:
        folder: the stack's files.
    """

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = tmp_path / "kind"
        self._file = tmp_path / "machine.json"
        self._file.write_text(json.dumps(EMPTY))
        self._path = tmp_path / "bin"
        self._path.mkdir()
        # What the programs run on: a python3 on PATH may be one that looks for another one first.
        for program in (*COMMANDS.iterdir(), Path(sys.executable).with_name("python3")):
            (self._path / program.name).symlink_to(program)
        monkeypatch.setattr(docker, "subprocess", SimpleNamespace(run=self._run))
        monkeypatch.setenv("PATH", str(self._path))
        monkeypatch.setenv("FAKE_DOCKER", str(self._file))
        monkeypatch.delenv("DOCKER_CONFIG", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))

    def _run(
        self, command: tuple[str, ...], *, input: str | None, env: Mapping[str, str] | None, **_: Any
    ) -> subprocess.CompletedProcess[str]:
        """What ``subprocess.run`` does."""
        program, told, status = self._path / command[0], io.StringIO(), ""
        if not program.exists():
            raise FileNotFoundError(command[0])
        with (
            mock.patch.dict(os.environ, env or os.environ, clear=True),
            mock.patch.multiple(sys, argv=list(command), stdin=io.StringIO(input)),
            redirect_stdout(told),
        ):
            try:
                runpy.run_path(str(program), run_name="__main__")
            except SystemExit as end:
                status = str(end)
        return subprocess.CompletedProcess(command, bool(status), told.getvalue(), status)

    def has(self, **facts: Any) -> None:
        """Change what is the case."""
        self._file.write_text(json.dumps(self.state() | facts))

    def lacks(self, program: str) -> None:
        """Take a program away."""
        (self._path / program).unlink()

    def state(self) -> dict[str, Any]:
        """All that is the case."""
        return json.loads(self._file.read_text())

    @property
    def containers(self) -> dict[str, dict[str, Any]]:
        """By name."""
        return self.state()["containers"]

    def stop(self, container: str) -> None:
        """Stop a container as a restart of the machine does."""
        containers = self.containers
        containers[container]["State"]["Running"] = False
        self.has(containers=containers)

    def calls(self, *begin: str) -> list[list[str]]:
        """The commands given that begin so, in order."""
        return [call for call in self.state()["calls"] if call[: len(begin)] == list(begin)]
