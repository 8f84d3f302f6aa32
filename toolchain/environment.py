"""What a shell needs so that ``pulumi`` and the tools work as typed in the documentation."""

import os
import shlex
from collections.abc import Mapping

from toolchain import places


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables to set on top of ``environment``; a backend or passphrase that a team has chosen stays.

    One that points into some checkout's own data is replaced, so that a shell can move between checkouts.
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
    backend = environment.get("PULUMI_BACKEND_URL", "")
    if not backend or backend.endswith(f"/{places.DATA.name}/{places.STATE.name}"):
        chosen["PULUMI_BACKEND_URL"] = places.STATE.as_uri()
    passphrase = environment.get("PULUMI_CONFIG_PASSPHRASE_FILE", "")
    own = not passphrase or passphrase.endswith(f"/{places.DATA.name}/{places.PASSPHRASE.name}")
    if own and "PULUMI_CONFIG_PASSPHRASE" not in environment:
        chosen["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(places.PASSPHRASE)
    return chosen


def exports(environment: Mapping[str, str]) -> str:
    """The same as lines for ``eval`` in a POSIX shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables(environment).items())


def _own_bin(entry: str) -> bool:
    return entry == str(places.VENV / "bin")
