"""A tool, and how one of the right version comes to be there."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolchain import places, store
from toolchain.progress import ToolchainError, UnavailableError, say

PROBE_S = 30
"""A program that says no version within this is broken; a first start of 100 MB takes seconds on a slow disk."""


class Source(Protocol):
    """A way to a tool."""

    def obtain(self, name: str, binaries: tuple[str, ...], folder: Path) -> None:
        """Put the binaries into ``<folder>/bin``; raise `UnavailableError` when this way is closed here."""
        ...


@dataclass(frozen=True)
class Tool:
    """Programs that belong together.

    Attributes:
        name: of the tool, and of its folder in the cache.
        binaries: programs that must lie side by side; the first tells the version.
        accepts: whether a version will do.
        sources: ways to get it when PATH has none, in the order to try.
        probe: arguments that make the first binary print its version.
    """

    name: str
    binaries: tuple[str, ...]
    accepts: Callable[[str], bool]
    sources: tuple[Source, ...]
    probe: str = "version"

    def version(self, folder: Path) -> str | None:
        """The version of the tool in ``folder``; None when a binary is missing or does not run."""
        if not all(os.access(folder / binary, os.X_OK) for binary in self.binaries):
            return None
        command = [str(folder / self.binaries[0]), *self.probe.split()]
        # The engine would ask its maker's server for news, and log the question in the user's home.
        env = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_HOME": str(places.PULUMI)}
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_S, env=env, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        found = re.search(r"\d+\.\d+(\.\d+)?", answer.stdout + answer.stderr)
        return found[0] if found else None

    def works(self, folder: Path) -> bool:
        """Whether ``folder`` holds all binaries in a version that will do."""
        version = self.version(folder)
        return version is not None and self.accepts(version)


def exactly(version: str) -> Callable[[str], bool]:
    """Accept this version alone."""
    return lambda found: found == version


def at_least(version: str) -> Callable[[str], bool]:
    """Accept this version and later ones."""
    return lambda found: _parts(found) >= _parts(version)


def on_path(tool: Tool) -> Path | None:
    """The folder on PATH that holds a tool of the right version; links are followed to where the tool really is."""
    for entry in os.get_exec_path():
        program = shutil.which(tool.binaries[0], path=entry)
        if program and tool.works(folder := Path(program).resolve().parent):
            return folder
    return None


def ensure(tool: Tool) -> Path:
    """The folder with the tool's binaries: from PATH, from the cache, or made now by the first source that is open.

    Raises:
        ToolchainError: no source is open; says for each why.
    """
    cache = places.cache()
    if found := on_path(tool) or _cached(cache, tool):
        return found
    with store.locked(cache / "locks" / tool.name, tool.name):
        return _cached(cache, tool) or _make(cache, tool)


def _cached(cache: Path, tool: Tool) -> Path | None:
    folders = sorted(cache.glob(f"{tool.name}-*/bin"))
    return next((folder for folder in reversed(folders) if tool.works(folder)), None)


def _make(cache: Path, tool: Tool) -> Path:
    closed: list[str] = []
    for source in tool.sources:
        way = type(source).__name__
        with store.half_made(cache, tool.name) as folder:
            try:
                source.obtain(tool.name, tool.binaries, folder)
                version = tool.version(folder / "bin")
                if version is None or not tool.accepts(version):
                    raise UnavailableError(f"gave version {version}, which will not do")
            except UnavailableError as reason:
                say(f"  {reason}")
                closed.append(f"{way}: {reason}")
                continue
            made = cache / f"{tool.name}-{version}"
            store.keep(made, folder)
            say(f"{tool.name} {version} is in {made}")
            return made / "bin"
    reasons = "\n    ".join(closed)
    raise ToolchainError(
        f"{tool.name} cannot be had:\n    {reasons}\n  Install it yourself and put it on PATH, then set up again."
    )


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
