"""The Prometheus that watches the local stack, and what it scrapes."""

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.dynamic import Resource

from infra.local import ports, server
from infra.local.home import Home, LocalError, write_private
from infra.local.supervisord import Program


def targets_folder(home: Home) -> Path:
    """Prometheus watches this folder: a file that appears or changes here needs no restart."""
    return home.run / "prometheus" / "targets"


def configuration(home: Home, port: int, rules: str) -> str:
    """Prometheus' configuration: itself, and whatever is in the folder of targets.

    Args:
        home: folders of the local stack.
        port: where Prometheus listens.
        rules: folder with rule files; empty for none.
    """
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
            "rule_files": [f"{rules}/*.yaml"] if rules else [],
            "scrape_configs": [
                {"job_name": "prometheus", "static_configs": [{"targets": [f"{ports.LOOPBACK}:{port}"]}]},
                {"job_name": "local", "file_sd_configs": [{"files": [f"{targets_folder(home)}/*.json"]}]},
            ],
        }
    )


class PrometheusProvider(server.ServerProvider):
    """Runs the server."""

    name = "prometheus"
    setting = "prometheus.port"
    inputs = ("rules", "retention")

    def program(self, home: Home, port: int, props: dict[str, Any]) -> Program:
        """The server in the foreground, of whichever version is on PATH: 2.42 and later know these flags."""
        return Program(
            name=self.name,
            command=(
                _tool("prometheus"),
                f"--config.file={_configuration_file(home, port, props['rules'])}",
                f"--storage.tsdb.path={home.data / self.name}",
                f"--storage.tsdb.retention.time={props['retention']}",
                "--storage.tsdb.retention.size=512MB",
                f"--web.listen-address={ports.LOOPBACK}:{port}",
            ),
            directory=str(home.data),
            ports=(port,),
        )

    def prepare(self, home: Home, port: int, props: dict[str, Any]) -> None:
        """Write the configuration and have it checked, rules included."""
        file = _configuration_file(home, port, props["rules"])
        targets_folder(home).mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(file, configuration(home, port, props["rules"]))
        checked = subprocess.run(
            [_tool("promtool"), "check", "config", str(file)], capture_output=True, text=True, check=False
        )
        if checked.returncode != 0:
            raise LocalError(f"Prometheus would not take {file}:\n{checked.stderr.strip() or checked.stdout.strip()}")

    def ready(self, home: Home, port: int) -> bool:
        """Whether it has replayed its log and answers queries."""
        return ports.answers(port, "/-/ready")

    def outputs(self, home: Home, port: int) -> dict[str, Any]:
        """Where it answers."""
        return {"url": f"http://{ports.LOOPBACK}:{port}"}


def _configuration_file(home: Home, port: int, rules: str) -> Path:
    """Named by what it and the rules say, so that a change of either is a change of the command."""
    digest = hashlib.sha256(configuration(home, port, rules).encode())
    for file in sorted(Path(rules).glob("*.yaml")) if rules else ():
        digest.update(file.read_bytes())
    return home.run / "prometheus" / f"{digest.hexdigest()[:12]}.yaml"


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise LocalError(f"{name} is not on PATH.\n  make setup fetches it; run pulumi through make, or see make env.")
    return found


class _Prometheus(Resource, module="local", name="Prometheus"):
    url: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(PrometheusProvider(), name, {**props, **server.DECLARED, "url": None}, opts)


@dataclass(frozen=True)
class PrometheusArgs:
    """How the server runs.

    Attributes:
        home: the supervisor's ``home``.
        port: where it listens; 0 chooses a free port once.
        rules: folder with alerting and recording rules, absolute; empty for none.
        retention: how long samples are kept, as Prometheus writes it.
        retain: whether they outlive ``pulumi destroy``.
    """

    home: pulumi.Input[str]
    port: int = 0
    rules: str = ""
    retention: str = "3d"
    retain: bool = True


class Prometheus(pulumi.ComponentResource):
    """A Prometheus for this stack."""

    url: pulumi.Output[str]
    """Where it answers on the loopback interface."""

    def __init__(self, name: str, args: PrometheusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:local:Prometheus", name, None, opts)
        props = {
            "home": args.home,
            "port": args.port,
            "rules": args.rules,
            "retention": args.retention,
            "retain": args.retain,
        }
        self.url = _Prometheus(name, props, pulumi.ResourceOptions(parent=self)).url
        self.register_outputs({"url": self.url})
