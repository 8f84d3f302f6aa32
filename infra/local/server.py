"""What Postgres, Redis and Prometheus share: one program on one port, started anew in place when it changes."""

import shutil
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, UpdateResult

from infra.local import ports
from infra.local.home import Home
from infra.local.provider import Provider, read_state
from infra.local.supervisord import Program, Supervisord

START_S = 60
"""Seconds suffice on an idle machine; recovery after a crash replays the log first."""


class ServerProvider(Provider, ABC):
    """Runs a server of which there is one a stack.

    The inputs that all have: ``home``; ``port``, 0 for any that is free, which then stays; ``retain``, whether the data
    outlives the resource. A plain ``pulumi up`` mends what died, because ``diff`` looks.

    Attributes:
        name: the program's name, and that of its data folder.
        setting: the setting that gives it another port.
        inputs: inputs of its own.
        start_s: seconds that a start may take.
    """

    name: ClassVar[str]
    setting: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]] = ()
    start_s: ClassVar[float] = START_S

    @abstractmethod
    def program(self, home: Home, port: int, props: dict[str, Any]) -> Program:
        """What runs for these inputs; changes nothing."""

    @abstractmethod
    def prepare(self, home: Home, port: int, props: dict[str, Any]) -> None:
        """Make the files that the program needs and that are not there."""

    @abstractmethod
    def ready(self, home: Home, port: int) -> bool:
        """Whether it answers, asked with the password where it has one."""

    def private_files(self, home: Home) -> list[Path]:
        """Its passwords, which go when its data goes."""
        return []

    def outputs(self, home: Home, port: int) -> dict[str, Any]:
        """Outputs of its own."""
        return {}

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Start it, or take over the one that an interrupted run started."""
        home = Home(props["home"])
        home.make()
        told = Supervisord(home).told(self.name)
        port = int(props["port"]) or (told.ports[0] if told else self._any_port(home))
        return CreateResult(self.name, self._run(home, port, props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Start it anew where its command would differ or it does not answer."""
        if _olds["home"] != _news["home"]:
            return DiffResult(changes=True, replaces=["home"], delete_before_replace=True)
        home, port = Home(_olds["home"]), self._port(_olds, _news)
        changed = Supervisord(home).told(self.name) != self.program(home, port, _news)
        told = any(_olds[name] != _news[name] for name in ("retain", "state"))
        return DiffResult(changes=changed or told or self._state(home, port) != "RUNNING")

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Start it anew in place: what it keeps on disk cannot be opened twice."""
        return UpdateResult(self._run(Home(_news["home"]), self._port(_olds, _news), _news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say how it is; gone when supervisord does not know it."""
        home = Home(props["home"])
        if not Supervisord(home).look(self.name):
            return ReadResult(None, {})
        now = self._outputs(home, int(props["listening_port"]), props)
        now["state"] = read_state(now, props)
        return ReadResult(id_, now, {name: now[name] for name in ("home", "port", "retain", "state", *self.inputs)})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Stop it; its data goes too unless it is retained."""
        home = Home(_props["home"])
        Supervisord(home).stop(self.name, self.say)
        if not _props["retain"]:
            shutil.rmtree(home.data / self.name, ignore_errors=True)
            for file in self.private_files(home):
                file.unlink(missing_ok=True)

    def _run(self, home: Home, port: int, props: dict[str, Any]) -> dict[str, Any]:
        supervisord = Supervisord(home)
        told = supervisord.told(self.name)
        if told is None or told.ports != (port,):
            ports.require_free(port, self.setting, "local")
        self.prepare(home, port, props)
        supervisord.run(self.program(home, port, props), lambda: self.ready(home, port), self.start_s, self.say)
        return self._outputs(home, port, props)

    def _port(self, olds: dict[str, Any], news: dict[str, Any]) -> int:
        return int(news["port"] or olds["listening_port"])

    def _any_port(self, home: Home) -> int:
        return ports.choose(1, start=zlib.crc32(f"{home.root} {self.name}".encode()), taken=())[0]

    def _state(self, home: Home, port: int) -> str:
        workers = Supervisord(home).look(self.name)
        if not workers:
            return "MISSING"
        if not workers[0].up:
            return workers[0].state
        return "RUNNING" if self.ready(home, port) else "UNREADY"

    def _outputs(self, home: Home, port: int, props: dict[str, Any]) -> dict[str, Any]:
        workers = Supervisord(home).look(self.name)
        return {
            **props,
            "listening_port": port,
            "state": self._state(home, port),
            "pids": [worker.pid for worker in workers],
            "restarts": sum(max(0, worker.starts - 1) for worker in workers),
            "logs": [worker.log for worker in workers],
            **self.outputs(home, port),
        }


DECLARED = {**dict.fromkeys(("listening_port", "pids", "restarts", "logs")), "state": "RUNNING"}
"""Properties of every resource of such a provider; that it runs is what all of them ask for."""
