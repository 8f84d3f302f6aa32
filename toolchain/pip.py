"""The pip at hand, and where it is told to fetch packages from."""

import ast
import os
import subprocess
import sys
from pathlib import Path

SECTIONS = (":env:", "install", "global")
"""Where ``pip install`` looks for a setting, in this order."""


def command() -> list[str] | None:
    """How to call pip: that of this Python, else of the one that its environment was made from; None without one."""
    # An environment that uv has made has none.
    for python in (sys.executable, str(Path(sys.base_prefix, "bin", "python3"))):
        try:
            subprocess.run([python, "-c", "import pip"], capture_output=True, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        return [python, "-m", "pip"]
    return None


def index() -> str | None:
    """The index that pip is set to, by its variables or any of its files; None where it is set to none."""
    if chosen := os.environ.get("PIP_INDEX_URL"):
        return chosen
    if (pip := command()) is None:
        return None
    # `pip config get` knows nothing of the file that PIP_CONFIG_FILE names.
    told = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False).stdout
    settings = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    found = (settings.get(f"{section}.index-url") for section in SECTIONS)
    return next((ast.literal_eval(value) for value in found if value), None)
