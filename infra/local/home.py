"""Where the local stack keeps its files, and what it says when something is wrong."""

import os
from dataclasses import dataclass
from pathlib import Path

from toolchain import conditions


class LocalError(Exception):
    """What the user can put right: the message says what is wrong, where, and what to do next."""


@dataclass(frozen=True)
class Home:
    """The folders of one local stack.

    Attributes:
        root: ``<checkout>/.modelserve/local``; absolute, and a string, so that it fits into Pulumi's state.
    """

    root: str

    @property
    def run(self) -> Path:
        """Sockets, process records and generated configuration: gone after ``pulumi destroy``."""
        return Path(self.root) / "run"

    @property
    def log(self) -> Path:
        """Logs of the supervisor and of every process."""
        return Path(self.root) / "log"

    @property
    def payloads(self) -> Path:
        """What apps log of their payloads, a folder each."""
        return self.log / "payloads"

    @property
    def data(self) -> Path:
        """Databases and metrics: what a user would miss."""
        return Path(self.root) / "data"

    @property
    def secrets(self) -> Path:
        """Generated passwords, one file each, mode 0600."""
        return Path(self.root) / "secrets"

    @property
    def socket(self) -> Path:
        """The supervisor's control socket."""
        return self.run / "supervisor.sock"

    def make(self) -> None:
        """Make the folders, open to their owner alone.

        Raises:
            LocalError: the checkout's path cannot hold a socket or a supervisor configuration.
        """
        if why := conditions.of_stack(self.root):
            raise LocalError(why)
        for folder in (self.run, self.log, self.data, self.secrets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file at once, mode 0600: a reader sees the old text or the new, and nobody else sees either."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
