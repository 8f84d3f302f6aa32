"""A second checkout beside this one, with ports of its own, in which tests do what a user would type."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
import yaml

from infra.local.ports import is_free
from infra.settings import CHECKOUT
from tests.checkout import clone
from toolchain import places

UP_S = 120
"""A first ``up`` takes about ten seconds; a machine busy with other tests several times that."""


class Platform:
    """A checkout and the stack ``local`` in it.

    Attributes:
        root: the checkout.
        gateway: URL of its gateway.
    """

    def __init__(self, root: Path, gateway_port: int, prometheus_port: int) -> None:
        self.root = root
        self.gateway = f"http://127.0.0.1:{gateway_port}"
        clone(root)
        self.configure("gateway.port", gateway_port)
        self.configure("prometheus.port", prometheus_port)
        self.environment = self._set_up()

    def _set_up(self) -> dict[str, str]:
        """What ``make setup`` does beyond installing; the variables of ``make env``."""
        script = (
            "import json, os; from toolchain import environment, setup; "
            "setup.make_state(); setup.ensure_stack('local'); "
            "print(json.dumps({**os.environ, **environment.variables(os.environ)}))"
        )
        told = subprocess.run(
            [str(CHECKOUT / ".venv/bin/python"), "-c", script],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(self.root)},
        )
        assert told.returncode == 0, told.stdout + told.stderr
        return {**json.loads(told.stdout.splitlines()[-1]), "PYTHONPATH": str(self.root)}

    def settle(self) -> None:
        """Be as set-up leaves a checkout: with an environment of its own, whose packages are this one's."""
        real, own = places.VENV, self.root / ".venv"
        own.unlink()
        (own / "bin").mkdir(parents=True)
        for name in ("lib", "pyvenv.cfg", *(f"bin/{file.name}" for file in (real / "bin").iterdir())):
            (own / name).symlink_to(real / name)
        stamp = "from toolchain import setup; setup.STAMP.write_text(setup._inputs())"
        subprocess.run([own / "bin" / "python", "-c", stamp], cwd=self.root, env=self.environment, check=True)

    def make(self, target: str) -> subprocess.Popen[str]:
        """What a user types who has nothing but a checkout and a Python, at work; ``settle`` before."""
        return subprocess.Popen(
            ["make", "--no-print-directory", target, f"PYTHON={sys.executable}"],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pulumi(self, *arguments: str, check: bool = True, timeout_s: float = UP_S) -> subprocess.CompletedProcess[str]:
        """What a user types after ``eval "$(make -s env)"``; the output shows when it fails."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The same in the background, in a process group that can be interrupted like a terminal's."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def deploy(self) -> None:
        """What ``make up`` has the engine do."""
        self.pulumi("up", "--yes", "--skip-preview", "--stack", "local")

    def up(self) -> dict[str, Any]:
        """Deploy; the number of resources by what was done to them."""
        self.deploy()
        [last] = json.loads(self.pulumi("stack", "history", "--json", "--page-size", "1", "--stack", "local").stdout)
        return last["resourceChanges"]

    def destroy(self) -> None:
        """Take everything down."""
        self.pulumi("destroy", "--yes", "--skip-preview", "--stack", "local")

    @contextmanager
    def up_meanwhile(self) -> Iterator[Self]:
        """Be up, and see that nothing is left afterwards, whatever was done to it."""
        try:
            self.up()
            yield self
        finally:
            self.destroy()
            left = self.processes()
            for process in left:
                process.kill()
            assert not left, f"left behind: {[process.info['cmdline'] for process in left]}"

    def modelserve(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The project's own command."""
        return subprocess.run(
            [str(CHECKOUT / ".venv/bin/python"), "-m", "ops.cli", *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def configure(self, key: str, value: object) -> None:
        """Change a setting in the stack's file."""
        file = self.root / "Pulumi.local.yaml"
        told = yaml.safe_load(file.read_text())
        told["config"][f"modelserve:{key}"] = value
        file.write_text(yaml.safe_dump(told))

    def edit(self, app: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change an app's ``app.yaml``."""
        file = self.root / "apps" / app / "app.yaml"
        told = yaml.safe_load(file.read_text())
        change(told)
        file.write_text(yaml.safe_dump(told))

    def outputs(self) -> dict[str, Any]:
        """What the stack tells about itself."""
        return json.loads(self.pulumi("stack", "output", "--json", "--stack", "local").stdout)

    def status(self, app: str) -> list[dict[str, Any]]:
        """The versions of an app as ``modelserve status`` sees them."""
        told = json.loads(self.modelserve("status", "--json").stdout)
        return [each for each in told["apps"] if each["app"] == app]

    def post(self, path: str, picture: bytes, name: str = "picture.jpg", **form: str) -> httpx.Response:
        """Upload a picture through the gateway."""
        return httpx.post(f"{self.gateway}{path}", files={"file": (name, picture)}, data=form, timeout=30)

    def upload(self, path: str, picture: bytes) -> httpx.Request:
        """A picture to be sent to the gateway."""
        return httpx.Request("POST", f"{self.gateway}{path}", files={"file": ("picture.jpg", picture)})

    def processes(self) -> list[psutil.Process]:
        """Every process that works in this checkout or was started from it; their ``info`` outlives them."""
        return [
            process
            for process in psutil.process_iter(["name", "cmdline", "cwd", "environ"])
            if process.pid != os.getpid()
            and str(self.root) in " ".join([*(process.info["cmdline"] or []), process.info["cwd"] or ""])
        ]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, away from those the stack chooses by itself."""
    return [port for port in range(18000 + os.getpid() % 1000, 19999) if is_free(port)][:count]
