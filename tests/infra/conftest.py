"""A machine for each test."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.kind.machine import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """An empty one."""
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def listener() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]
