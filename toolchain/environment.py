"""What a shell needs so that ``pulumi`` and the tools work as typed in the documentation."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from toolchain import places

LOGS_MB = "100"
"""The engine logs all that it could say, for a week and up to 500 MB: too much for each checkout."""


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables to set on top of ``environment``; a backend, passphrase or engine's folder that a team chose stays.

    With a backend of theirs the engine keeps to the folder that they are logged in from. What points into some
    checkout's own data is replaced, so that a shell can move between checkouts.
    """
    path = [entry for entry in environment.get("PATH", os.defpath).split(os.pathsep) if not _own_bin(entry)]
    chosen = {
        "PATH": os.pathsep.join([str(places.VENV / "bin"), *path]),
        "VIRTUAL_ENV": str(places.VENV),
        # The engine would ask its maker's server for news at each run.
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # It would download the plugins of all installed SDKs, a gigabyte, for a stack that uses none of them.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    if _ours(environment, "PULUMI_BACKEND_URL", places.STATE):
        chosen["PULUMI_BACKEND_URL"] = places.STATE.as_uri()
        if _ours(environment, "PULUMI_HOME", places.PULUMI):
            chosen["PULUMI_HOME"] = str(places.PULUMI)
            chosen["PULUMI_LOG_ROTATION_MAX_TOTAL_MB"] = environment.get("PULUMI_LOG_ROTATION_MAX_TOTAL_MB", LOGS_MB)
    elif environment.get("PULUMI_HOME") and _ours(environment, "PULUMI_HOME", places.PULUMI):
        # Whoever logged in to a backend did so at home.
        chosen["PULUMI_HOME"] = ""
    own = _ours(environment, "PULUMI_CONFIG_PASSPHRASE_FILE", places.PASSPHRASE)
    if own and "PULUMI_CONFIG_PASSPHRASE" not in environment:
        chosen["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(places.PASSPHRASE)
    return chosen


def exports(environment: Mapping[str, str]) -> str:
    """The same as lines for ``eval`` in a POSIX shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables(environment).items())


def _ours(environment: Mapping[str, str], name: str, place: Path) -> bool:
    """Whether a variable is not set, or leads to that place of some checkout."""
    value = environment.get(name, "")
    return not value or value.endswith(f"/{places.DATA.name}/{place.name}")


def _own_bin(entry: str) -> bool:
    return entry == str(places.VENV / "bin")
