"""A small program of processes under the real engine, and what a user types to change it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from infra.local.home import Home
from infra.local.supervisord import Supervisord

BIN = Path(sys.executable).parent

PROGRAM = """
import json, sys
from pathlib import Path
import pulumi
from infra.local.process import Process, ProcessArgs
from infra.local.supervisor import Supervisor, SupervisorArgs

here = Path.cwd()
home = Supervisor("supervisor", SupervisorArgs(str(here / "local"))).home
for name, app in json.loads((here / "apps.json").read_text()).items():
    command = (sys.executable, "-c", app["code"])
    Process(name, ProcessArgs(home, command, app["revision"], str(here), ready_timeout_s=app["timeout_s"], drain_s=2))
"""

SERVES = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Answer).serve_forever()
"""
"""An app that is always ready."""


class Stack:
    """A project in a folder of its own.

    Attributes:
        apps: what the program runs, by name; ``up`` brings the stack there.
        supervisord: of this stack.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.apps: dict[str, dict[str, Any]] = {}
        self.supervisord = Supervisord(Home(str(folder / "local")))
        (folder / "state").mkdir()
        (folder / "passphrase").write_text("only for this test")
        options = json.dumps({"virtualenv": str(BIN.parent)})
        (folder / "Pulumi.yaml").write_text(f"name: processes\nruntime: {{name: python, options: {options}}}\n")
        (folder / "__main__.py").write_text(PROGRAM)
        self._pulumi("stack", "init", "local")

    def serve(self, name: str, revision: str = "1", code: str = SERVES, timeout_s: float = 20) -> None:
        """Have the program run this app."""
        self.apps[name] = {"revision": revision, "code": code, "timeout_s": timeout_s}

    def up(self) -> str:
        """``pulumi up``; what it said."""
        self._write()
        return self._pulumi("up", "--yes", "--skip-preview")

    def up_in_background(self) -> subprocess.Popen[bytes]:
        """``pulumi up`` that may be interrupted."""
        self._write()
        return subprocess.Popen(
            [str(BIN / "pulumi"), "up", "--yes", "--skip-preview", "--non-interactive", "--stack", "local"],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    def refresh(self) -> str:
        """``pulumi refresh``; the differences that it shows."""
        return self._pulumi("refresh", "--yes", "--skip-preview", "--diff")

    def cancel(self) -> None:
        """Give up the lock of an engine that was killed."""
        self._pulumi("cancel", "--yes", "local")

    def destroy(self) -> str:
        """``pulumi destroy``."""
        return self._pulumi("destroy", "--yes", "--skip-preview")

    def pid(self, app: str) -> int:
        """The one process of an app."""
        [program] = self.programs(app)
        return self.supervisord.look(program)[0].pid

    def programs(self, app: str) -> list[str]:
        """Everything that runs for an app."""
        return [name for name in self.supervisord.programs() if name.rpartition("-")[0] == app]

    def processes(self) -> list[psutil.Process]:
        """Whatever works in this folder, the engine and its plugins aside."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                ours = process.cwd().startswith(str(self.folder))
                if ours and "PULUMI_BACKEND_URL" not in process.environ():
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def _write(self) -> None:
        (self.folder / "apps.json").write_text(json.dumps(self.apps))

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": (self.folder / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def _pulumi(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(BIN / "pulumi"), *arguments, "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout


@contextmanager
def stack() -> Iterator[Stack]:
    """A stack that is taken down in the end, and fails if that leaves a process."""
    with tempfile.TemporaryDirectory(prefix="up") as folder:
        made = Stack(Path(folder).resolve())
        try:
            yield made
        finally:
            said = made.destroy()
            left = made.processes()
            for process in left:
                process.kill()
            assert not left, f"left behind: {[process.cmdline() for process in left]}\n{said}"
