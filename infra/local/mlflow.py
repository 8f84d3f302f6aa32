"""MLflow on this machine: what was tried in training, and which version of a model is in production."""

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from infra.local import ports, server
from infra.local.home import Home, LocalError
from infra.local.supervisord import Program
from toolchain import places

BINARY = places.MLFLOW / "bin" / "mlflow"
"""In an environment of its own, which set-up makes where a stack asks for it."""


class MlflowProvider(server.ServerProvider):
    """Runs the server."""

    name = "mlflow"
    setting = "mlflow.port"
    inputs = ("database",)
    start_s = 180  # its first start makes some sixty tables, one migration after the other

    def program(self, home: Home, port: int, props: dict[str, Any]) -> Program:
        """The server in the foreground, which hands files of runs out and takes them itself."""
        if not BINARY.exists():
            raise LocalError(
                f"{BINARY} is not there.\n  make up installs MLflow; so does make setup, once it is enabled."
            )
        return Program(
            name=self.name,
            command=(
                str(BINARY),
                "server",
                *("--host", ports.LOOPBACK, "--port", str(port), "--workers", "1"),
                # Names the file of the password, never the password.
                *("--backend-store-uri", props["database"].replace("postgresql://", "postgresql+psycopg2://", 1)),
                *("--serve-artifacts", "--artifacts-destination", str(home.data / self.name)),
                # By any other name it could be a page elsewhere that makes a browser call it.
                *("--allowed-hosts", f"{ports.LOOPBACK}:{port},localhost:{port}"),
                *("--cors-allowed-origins", f"http://{ports.LOOPBACK}:{port}"),
            ),
            environment={
                "MLFLOW_DISABLE_TELEMETRY": "true",
                # A process of 220 MB for jobs that nobody here asks for.
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "GIT_PYTHON_REFRESH": "quiet",
            },
            directory=str(home.data),
            ports=(port,),
        )

    def prepare(self, home: Home, port: int, props: dict[str, Any]) -> None:
        """Make the folder of the runs' files."""
        (home.data / self.name).mkdir(mode=0o700, exist_ok=True)

    def ready(self, home: Home, port: int) -> bool:
        """Whether it has made its tables and answers."""
        return ports.answers(port, "/health")

    def outputs(self, home: Home, port: int) -> dict[str, Any]:
        """Where it answers."""
        return {"url": f"http://{ports.LOOPBACK}:{port}"}


class _Mlflow(Resource, module="local", name="Mlflow"):
    url: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(MlflowProvider(), name, {**props, **server.DECLARED, "url": None}, opts)


@dataclass(frozen=True)
class MlflowArgs:
    """How the server runs.

    Attributes:
        home: the supervisor's ``home``.
        database: URL of its own database, which names the password's file.
        port: where it listens; 0 chooses a free port once.
        retain: whether the runs' files outlive ``pulumi destroy``.
    """

    home: pulumi.Input[str]
    database: pulumi.Input[str]
    port: int = 0
    retain: bool = True


class Mlflow(pulumi.ComponentResource):
    """A tracking server and model registry for this stack."""

    url: pulumi.Output[str]
    """Where it answers on the loopback interface."""

    def __init__(self, name: str, args: MlflowArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:local:Mlflow", name, None, opts)
        props = {"home": args.home, "port": args.port, "retain": args.retain, "database": args.database}
        self.url = _Mlflow(name, props, pulumi.ResourceOptions(parent=self)).url
        self.register_outputs({"url": self.url})
