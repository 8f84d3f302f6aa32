"""What the engine has deployed, as the outputs of the stack tell it."""

import json
import os
import subprocess

from pydantic import ValidationError

from stacks.outputs import Deployment
from toolchain import environment
from toolchain.places import CHECKOUT


class NotDeployed(Exception):  # noqa: N818 - a state of affairs, not a fault
    """The stack has no platform; the message says how to get one."""


def make_up(stack: str) -> str:
    """What brings a stack up, as people type it."""
    return "make up" if stack == "local" else f"make up STACK={stack}"


def read(stack: str) -> Deployment:
    """The platform as ``pulumi up`` left it.

    Raises:
        NotDeployed: the engine does not know the stack, its last ``up`` did not end well, or there is no engine.
    """
    remedy = f"Run {make_up(stack)}."
    try:
        told = subprocess.run(
            ["pulumi", "stack", "output", "--json", "--stack", stack],
            cwd=CHECKOUT,
            env={**os.environ, **environment.variables(os.environ)},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        reason = f"pulumi does not run ({error.strerror})"
        raise NotDeployed(f"Nothing is known about stack {stack}: {reason}\n  Run make setup.") from None
    if told.returncode:
        last = told.stderr.strip().splitlines()[-1:] or ["pulumi said nothing"]
        raise NotDeployed(f"Nothing is known about stack {stack}: {last[0]}\n  {remedy}")
    try:
        return Deployment.model_validate(json.loads(told.stdout))
    except ValidationError:
        raise NotDeployed(f"Stack {stack} is not deployed, or its last up did not end.\n  {remedy}") from None
