"""A process of an app: started beside its predecessor, ready before anybody is sent to it, drained when it leaves."""

import re
import secrets
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra.local import ports
from infra.local.home import Home
from infra.local.provider import Provider, read_state
from infra.local.supervisord import Program, Supervisord

ROLLS = ("home", "name", "command", "environment", "directory", "revision", "workers", "ready_path", "drain_s")
"""Inputs whose change starts a new process beside the old one; the others only matter while it starts."""

_choosing = threading.Lock()
_chosen: set[int] = set()


class ProcessProvider(Provider):
    """Runs an app's process under supervisord.

    A replacement is a program of its own, with a random suffix. Were it named by its revision, going back to a revision
    whose deletion was interrupted would take over the old program, and the deletion still to come would end it.
    """

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Start it and wait until every worker is ready."""
        supervisord = Supervisord(Home(props["home"]))
        _prune_logs(supervisord, props["name"])
        program = f"{props['name']}-{secrets.token_hex(4)}"
        supervisord.home.make()
        _unconfirmed(supervisord, program).parent.mkdir(exist_ok=True)
        _unconfirmed(supervisord, program).touch()
        self._run(supervisord, props, program, _choose_ports(supervisord, program, int(props["workers"])))
        self._sweep(supervisord, props["name"], program)
        return CreateResult(program, _outputs(supervisord, props, program))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Roll when what runs would differ; mend in place what should run and does not."""
        replaces = [name for name in ROLLS if _olds.get(name) != _news.get(name)]
        if replaces:
            _confirm(_olds, _id)
            return DiffResult(changes=True, replaces=replaces, delete_before_replace=False)
        supervisord = _confirm(_olds, _id)
        broken = _state(supervisord, _olds, _id) != "RUNNING"
        changed = any(_olds[name] != _news[name] for name in ("ready_timeout_s", "state"))
        return DiffResult(changes=changed or broken or bool(_strays(supervisord, _olds["name"], _id)))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Start what died, restart what hangs, and stop what an interrupted run left behind."""
        supervisord = _confirm(_olds, _id)
        self._sweep(supervisord, _olds["name"], _id)
        state, at = _state(supervisord, _olds, _id), _ports(_olds)
        hangs = any(worker.age_s > _news["ready_timeout_s"] for worker in supervisord.look(_id))
        if state != "RUNNING" and (state != "UNREADY" or hangs):
            self.say(f"{_id} is {state}: starting it again")
            supervisord.stop(_id, self.say)
            if not all(ports.is_free(port) for port in at):  # somebody took one meanwhile
                at = _choose_ports(supervisord, _id, len(at))
        self._run(supervisord, _news, _id, at)
        return UpdateResult(_outputs(supervisord, _news, _id))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say how it is; gone when supervisord does not know it."""
        supervisord = _confirm(props, id_)
        if not supervisord.look(id_):
            return ReadResult(None, {})
        now = _outputs(supervisord, props, id_)
        now["state"] = read_state(now, props)
        # State is an input too, "RUNNING" in every program, because a refresh compares what is with what was asked for.
        return ReadResult(id_, now, {name: now[name] for name in (*ROLLS, "ready_timeout_s", "state")})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Ask it to stop and wait while it finishes what it has; only it."""
        Supervisord(Home(_props["home"])).stop(_id, self.say)

    def _run(self, supervisord: Supervisord, props: dict[str, Any], program: str, at: tuple[int, ...]) -> None:
        supervisord.run(
            Program(
                name=program,
                command=tuple(props["command"]),
                environment=props["environment"],
                directory=props["directory"],
                ports=at,
                drain_s=props["drain_s"],
            ),
            ready=lambda: all(ports.answers(port, props["ready_path"]) for port in at),
            timeout_s=props["ready_timeout_s"],
            say=self.say,
        )

    def _sweep(self, supervisord: Supervisord, name: str, ours: str) -> None:
        for stray in _strays(supervisord, name, ours):
            self.say(f"stopping {stray}, which an interrupted run left behind")
            supervisord.stop(stray, self.say)


def _unconfirmed(supervisord: Supervisord, program: str) -> Path:
    """Exists from before a program starts until the engine shows that it knows it, by asking about it."""
    return supervisord.program_file(program).with_suffix(".new")


def _confirm(props: dict[str, Any], program: str) -> Supervisord:
    supervisord = Supervisord(Home(props["home"]))
    _unconfirmed(supervisord, program).unlink(missing_ok=True)
    return supervisord


def _strays(supervisord: Supervisord, name: str, ours: str) -> list[str]:
    """Programs of this app that the engine never came to know: it was killed while they started."""
    return [
        program
        for program in supervisord.programs()
        if program != ours and _is_of(name, program) and _unconfirmed(supervisord, program).exists()
    ]


def _is_of(name: str, program: str) -> bool:
    return re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{8}}", program) is not None


def _prune_logs(supervisord: Supervisord, name: str) -> None:
    """Of the app's logs, keep those of live programs and the newest of the others."""
    programs = set(supervisord.programs())
    logs = [log for log in supervisord.home.log.glob(f"{name}-*.log*") if _is_of(name, log.name.split(".")[0])]
    over = sorted((log for log in logs if log.name.split(".")[0] not in programs), key=lambda log: log.stat().st_mtime)
    newest = over[-1].name.split(".")[0] if over else ""
    for log in over:
        if not log.name.startswith(newest):
            log.unlink(missing_ok=True)


def _choose_ports(supervisord: Supervisord, program: str, count: int) -> tuple[int, ...]:
    with _choosing:
        told = (supervisord.told(other) for other in supervisord.programs())
        taken = _chosen.union(*(other.ports for other in told if other is not None))
        chosen = ports.choose(count, start=zlib.crc32(f"{supervisord.home.root} {program}".encode()), taken=taken)
        _chosen.update(chosen)
        return chosen


def _ports(props: dict[str, Any]) -> tuple[int, ...]:
    """The engine keeps numbers as floats."""
    return tuple(int(port) for port in props["ports"])


def _state(supervisord: Supervisord, props: dict[str, Any], program: str) -> str:
    """RUNNING when every worker answers, UNREADY when one runs and does not, else what supervisord says; MISSING."""
    workers = supervisord.look(program)
    failed = [worker.state for worker in workers if not worker.up]
    if failed or not workers:
        return failed[0] if failed else "MISSING"
    return "RUNNING" if all(ports.answers(port, props["ready_path"]) for port in _ports(props)) else "UNREADY"


def _outputs(supervisord: Supervisord, props: dict[str, Any], program: str) -> dict[str, Any]:
    workers = supervisord.look(program)
    told = supervisord.told(program)
    at = list(told.ports) if told else []
    return {
        **{name: props[name] for name in (*ROLLS, "ready_timeout_s")},
        "ports": at,
        "endpoints": [f"{ports.LOOPBACK}:{port}" for port in at],
        "state": _state(supervisord, {**props, "ports": at}, program),
        "pids": [worker.pid for worker in workers],
        "restarts": sum(max(0, worker.starts - 1) for worker in workers),
        "logs": [worker.log for worker in workers],
    }


class _Process(Resource, module="local", name="Process"):
    endpoints: pulumi.Output[list[str]]
    logs: pulumi.Output[list[str]]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        outputs = dict.fromkeys(("ports", "endpoints", "pids", "restarts", "logs"))
        super().__init__(ProcessProvider(), name, {**props, **outputs, "state": "RUNNING"}, opts)


@dataclass(frozen=True)
class ProcessArgs:
    """What runs, and when it counts as ready.

    Attributes:
        home: the supervisor's ``home``.
        command: argument list; nothing secret.
        revision: what the process is made of besides its command and environment: a digest of its sources.
        directory: working directory.
        environment: nothing secret; ``HOST`` and ``PORT`` are added.
        workers: processes, each on a port of its own.
        ready_path: answers 200 when a worker takes requests.
        ready_timeout_s: how long a start may take.
        drain_s: how long a worker may take to finish its requests when it is stopped.
    """

    home: pulumi.Input[str]
    command: tuple[str, ...]
    revision: str
    directory: str
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    workers: int = 1
    ready_path: str = "/ready"
    ready_timeout_s: float = 60
    drain_s: float = 30


class Process(pulumi.ComponentResource):
    """One version of an app, running on this machine."""

    endpoints: pulumi.Output[list[str]]
    """``127.0.0.1:port`` of each worker."""

    logs: pulumi.Output[list[str]]
    """Log file of each worker."""

    def __init__(self, name: str, args: ProcessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:local:Process", name, None, opts)
        props = {
            "home": args.home,
            "name": name,
            "command": list(args.command),
            "revision": args.revision,
            "directory": args.directory,
            "environment": {**args.environment, "HOST": ports.LOOPBACK},
            "workers": args.workers,
            "ready_path": args.ready_path,
            "ready_timeout_s": args.ready_timeout_s,
            "drain_s": args.drain_s,
        }
        process = _Process(name, props, pulumi.ResourceOptions(parent=self))
        self.endpoints = process.endpoints
        self.logs = process.logs
        self.register_outputs({"endpoints": self.endpoints, "logs": self.logs})
