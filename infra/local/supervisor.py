"""The supervisor that keeps the local stack's processes running: one supervisord a checkout."""

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra.local import daemon
from infra.local.home import Home
from infra.local.provider import Provider
from infra.local.supervisord import Supervisord


class SupervisorProvider(Provider):
    """Starts, finds and ends supervisord. A plain ``pulumi up`` revives one that died: ``diff`` looks at it."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Start it, or take over the one that an interrupted run started."""
        return CreateResult(props["home"], self._outputs(props, daemon.ensure(Home(props["home"]), self.say)))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Moved to another folder it is another one; dead, it wants to be started."""
        if _olds["home"] != _news["home"]:
            return DiffResult(changes=True, replaces=["home"])
        return DiffResult(changes=_olds["state"] != _news["state"] or not Supervisord(Home(_olds["home"])).alive())

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Start it again, with everything that it ran."""
        return UpdateResult(self._outputs(_news, daemon.ensure(Home(_news["home"]), self.say)))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether it lives."""
        supervisord = Supervisord(Home(props["home"]))
        now = self._outputs(props, int(supervisord.call("getPID")) if supervisord.alive() else 0)
        return ReadResult(id_, now, {"home": now["home"], "state": now["state"]})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """End it and what it still runs."""
        daemon.shut_down(Home(_props["home"]), self.say)

    def _outputs(self, props: dict[str, Any], pid: int) -> dict[str, Any]:
        return {"home": props["home"], "pid": pid, "state": "RUNNING" if pid else "DEAD"}


class _Supervisor(Resource, module="local", name="Supervisor"):
    home: pulumi.Output[str]

    def __init__(self, name: str, home: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__(SupervisorProvider(), name, {"home": home, "pid": None, "state": "RUNNING"}, opts)


@dataclass(frozen=True)
class SupervisorArgs:
    """Where a supervisor lives.

    Attributes:
        home: ``<checkout>/.modelserve/local``, absolute: its socket, logs and all files of what it runs.
    """

    home: str


class Supervisor(pulumi.ComponentResource):
    """Runs the stack's processes, and restarts them when they die; outlives ``pulumi up``."""

    home: pulumi.Output[str]
    """Given to everything that runs under it, which makes that start after it and end before it."""

    def __init__(self, name: str, args: SupervisorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:local:Supervisor", name, None, opts)
        self.home = _Supervisor(name, args.home, pulumi.ResourceOptions(parent=self)).home
        self.register_outputs({"home": self.home})
