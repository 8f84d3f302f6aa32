"""A machine whose ``docker``, ``kind``, ``kubectl`` and ``aws`` are programs of ours that record what they are told."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

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
        monkeypatch.setenv("PATH", str(self._path))
        monkeypatch.setenv("FAKE_DOCKER", str(self._file))
        monkeypatch.delenv("DOCKER_CONFIG", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))

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
