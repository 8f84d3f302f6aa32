"""Servers in processes of their own: how each is started, and what it takes of the machine."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from toolchain import places

VENV = places.CHECKOUT / ".venv-servers"
OURS = "modelserve"
HERE = "tests.bench.servers"
SETTINGS = {"PYTHONPATH": str(places.CHECKOUT), "BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0"}

# What each is started by in its environment, where it predicts, and the member of the body that has the instances.
OTHERS = {
    "LitServe": (["python", "-m", f"{HERE}.by_litserve"], "/predict", ""),
    "BentoML": (["bentoml", "serve", f"{HERE}.by_bentoml:Served"], "/predict", "inputs"),
    "Ray Serve": (["python", "-m", f"{HERE}.by_ray"], "/", ""),
    "mosec": (["python", "-m", f"{HERE}.by_mosec"], "/inference", ""),
    "KServe": (["python", "-m", f"{HERE}.by_kserve"], "/v1/models/model:predict", "instances"),
}


@dataclass(frozen=True)
class Served:
    """A model, and what is asked of it.

    Attributes:
        app: which of ours serves it.
        folder: the artefact.
        asked: one instance.
    """

    app: str
    folder: Path
    asked: dict[str, str]

    def environment(self, port: int, threads: int) -> dict[str, str]:
        """What servers of it are told: ours by its own variables, the others by those that their files read."""
        ours = {
            "MODEL_NAME": self.folder.parent.name,
            "MODEL_VERSION": self.folder.name,
            "MODEL_STORES": str(self.folder.parents[1]),
        }
        others = {"MODEL": self.app, "FOLDER": str(self.folder), "BENTOML_PORT": str(port), "MOSEC_PORT": str(port)}
        return {"PORT": str(port), "THREADS": str(threads)} | ours | others | SETTINGS

    def asked_of(self, server: str) -> tuple[list[str], str, object]:
        """A server's command, the path that predicts, and a body."""
        if server == OURS:
            instance = self.asked.get("text", self.asked)
            path = f"/v1/models/{self.app}:predict"
            return [sys.executable, "-m", "apps.runtime", self.app], path, {"instances": [instance]}
        [program, *arguments], path, member = OTHERS[server]
        return [str(VENV / "bin" / program), *arguments], path, {member: [self.asked]} if member else self.asked


@dataclass
class Tree:
    """A server's processes.

    Attributes:
        first: the one that was started.
    """

    first: psutil.Process
    _gone_s: dict[int, float] = field(default_factory=dict)

    def all(self) -> list[psutil.Process]:
        """Those that are there."""
        return [self.first, *self.first.children(recursive=True)]

    def cpu_s(self) -> float:
        """Seconds of processor that they have taken."""
        for one in self.all():
            took = one.cpu_times()
            self._gone_s[one.pid] = took.user + took.system
        return sum(self._gone_s.values())

    def mib(self) -> float:
        """Their memory; pages that they share count once."""
        return sum(one.memory_full_info().pss for one in self.all()) / 2**20


@contextmanager
def started(command: list[str], told: dict[str, str]) -> Iterator[Tree]:
    """A server; all of its processes are gone afterwards. What it said is printed where something went wrong."""
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            command, cwd=places.CHECKOUT, env=os.environ | told, stdout=log, stderr=log, start_new_session=True
        )
        tree = Tree(psutil.Process(child.pid))
        try:
            yield tree
        except Exception:
            log.seek(0)
            print(log.read().decode(errors="replace")[-3000:])
            raise
        finally:
            every = tree.all() if child.poll() is None else []
            child.terminate()
            for one in psutil.wait_procs(every, timeout=10)[1]:
                one.kill()
            child.wait()
