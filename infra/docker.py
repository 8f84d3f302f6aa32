"""The container engine of this machine, through its own command."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from infra.local.home import LocalError

NOT_RUNNING = (
    "cannot connect to the docker daemon",
    "is the docker daemon running",
    "failed to connect to the docker api",
)
"""What the command says when nobody answers at its socket; the last one since version 29."""

NO_PERMISSION = "permission denied while trying to connect"


class CommandError(Exception):
    """A program that ended with an error which its caller may know how to take.

    Attributes:
        told: what it wrote to standard error.
    """

    def __init__(self, command: tuple[str, ...], told: str) -> None:
        # The program and what it was to do; what follows may be long.
        super().__init__(f"{' '.join(command[:3])} failed:\n{told.strip()}")
        self.told = told


def run(*command: str, given: str | None = None, env: Mapping[str, str] | None = None, install: str) -> str:
    """What a program writes to standard output.

    Args:
        command: the program and its arguments; never a secret, everybody on the machine can read them.
        given: what it reads from standard input.
        env: its environment; none hands ours on.
        install: what to tell a user who does not have the program.

    Raises:
        LocalError: there is no such program.
        CommandError: it ended with an error.
    """
    try:
        ended = subprocess.run(command, input=given, env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LocalError(f"{command[0]} is not on PATH.\n  {install}") from None
    if ended.returncode:
        raise CommandError(command, ended.stderr or ended.stdout)
    return ended.stdout


def docker(*arguments: str, given: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """What ``docker`` answers.

    Raises:
        LocalError: it is not installed, or its engine does not answer.
        CommandError: it ended with another error.
    """
    try:
        return run(
            "docker",
            *arguments,
            given=given,
            env=env,
            install="Install Docker; see https://docs.docker.com/engine/install/",
        )
    except CommandError as error:
        raise unanswered(error.told) or error from None


def container(name: str) -> dict[str, Any] | None:
    """What Docker knows of a container; None where there is none of that name."""
    try:
        return json.loads(docker("container", "inspect", name))[0]
    except CommandError as error:
        if "no such container" in error.told.lower():
            return None
        raise


def unanswered(told: str) -> LocalError | None:
    """What to tell the user where a program that stands on Docker failed because its engine does not answer."""
    if NO_PERMISSION in told.lower():
        return LocalError("Docker refuses this user.\n  Join its group and log in anew: sudo usermod -aG docker $USER")
    if any(said in told.lower() for said in NOT_RUNNING):
        return LocalError("Docker does not answer.\n  Start it: sudo systemctl start docker, or open Docker Desktop.")
    return None
