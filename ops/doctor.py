"""``modelserve doctor``: finds what is wrong with a platform on this machine and says what to do."""

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import typer
from rich.markup import escape

from infra import settings
from infra.local.home import Home
from infra.local.ports import holder, is_free, listener, way_out
from infra.local.supervisord import Supervisord
from infra.validation import SettingsError
from ops.deployment import NotDeployed, make_up, read
from ops.output import AsJson, Stack, console
from ops.status import client, unready
from toolchain import environment
from toolchain.tools import AT_SETUP

MIN_FREE_GIB = 2
"""Pictures, metrics and logs of a few days; below this Postgres is the first to stop."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: what was looked at.
        ok: whether it is as it should be.
        found: what is there.
        remedy: what to do about it; empty when nothing needs doing.
    """

    check: str
    ok: bool
    found: str
    remedy: str = ""


def doctor(stack: Stack = "local", as_json: AsJson = False) -> None:
    """Find what is wrong and say what to do about it.

    Ends with 1 when something is wrong.
    """
    findings: list[Finding] = []
    for check in (tools, configuration, disk, ports, lock, interrupted, processes, readiness):
        with console.status(f"Looking at {check.__name__} …"):
            for each in check(stack):
                findings.append(each)
                if not as_json:
                    _print(each)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in findings], indent=2))
    if not all(each.ok for each in findings):
        raise typer.Exit(1)


def _print(finding: Finding) -> None:
    mark = "[green]ok[/green]  " if finding.ok else "[red]bad[/red] "
    console.print(f"{mark} {finding.check}: {escape(finding.found)}")
    if finding.remedy:
        console.print(f"     → {escape(finding.remedy)}", highlight=False)


def tools(stack: str) -> Iterable[Finding]:
    """Whether everything that pip cannot install is there and works."""
    path = environment.variables(os.environ)["PATH"]
    for needed in AT_SETUP:
        first, *beside = needed.binaries
        program = shutil.which(first, path=path)
        version = needed.version(Path(program).parent) if program else None
        if program is None:
            wrong = "not found"
        elif version is None:
            wrong = f"{program} does not run, or misses {' or '.join(beside)} beside it"
        else:
            wrong = "" if needed.accepts(version) else f"{program} is version {version}, which will not do"
        says = wrong or f"{program}, version {version}"
        yield Finding(needed.name, not wrong, says, "Run make setup." if wrong else "")


def configuration(stack: str) -> Iterable[Finding]:
    """Whether the stack's file and every app.yaml can be read."""
    try:
        chosen = settings.from_file(stack)
        apps = settings.serving_specs(chosen, stack)
    except SettingsError as error:
        yield Finding("configuration", False, str(error), "Edit the file.")
    else:
        yield Finding("configuration", True, f"Pulumi.{stack}.yaml and {len(apps)} apps are valid")


def disk(stack: str) -> Iterable[Finding]:
    """Whether there is room for data and logs."""
    free = shutil.disk_usage(settings.CHECKOUT).free / 2**30
    enough = free >= MIN_FREE_GIB
    yield Finding(
        "disk", enough, f"{free:.1f} GiB free", "" if enough else f"Free some: at least {MIN_FREE_GIB} GiB are needed."
    )


def ports(stack: str) -> Iterable[Finding]:
    """Whether the ports that the settings name are free, or held by this platform."""
    try:
        chosen = settings.from_file(stack)
    except SettingsError:
        return
    if chosen.target != "local":  # Docker holds those of a cluster
        return
    ours = {pid for name in _supervisord().programs() for pid in _family(name)}
    for key, port in chosen.ports.items():
        if not port:  # whichever is free
            continue
        process = listener(port)
        if is_free(port):
            yield Finding(key, True, f"{port} is free")
        elif process and process.pid in ours:
            yield Finding(key, True, f"{port} is ours")
        else:
            yield Finding(key, False, f"{port} is taken by {holder(port)}", way_out(port, key, stack))


def lock(stack: str) -> Iterable[Finding]:
    """Whether an engine that is gone left the state locked."""
    for file in (_state() / "locks").rglob("*.json"):
        if file.parent.name != stack:
            continue
        held = json.loads(file.read_text())
        if psutil.pid_exists(held["pid"]):
            yield Finding("state lock", True, f"pulumi is at work (pid {held['pid']}, since {held['timestamp']})")
        else:
            yield Finding(
                "state lock",
                False,
                f"held by pid {held['pid']} since {held['timestamp']}, which is gone",
                f'eval "$(make -s env)", then pulumi cancel -s {stack} --yes',
            )


def interrupted(stack: str) -> Iterable[Finding]:
    """Whether the last change was cut off in the middle."""
    file = _state() / "stacks" / settings.PROJECT / f"{stack}.json"
    if not file.exists():
        return
    pending: list[dict[str, Any]] = json.loads(file.read_text())["checkpoint"]["latest"].get("pending_operations") or []
    names = [str(operation["resource"]["urn"]).rpartition("::")[2] for operation in pending]
    if names:
        yield Finding(
            "last change", False, f"cut off while it changed {', '.join(names)}", f"Run {make_up(stack)} again."
        )


def processes(stack: str) -> Iterable[Finding]:
    """Whether the supervisor and every process live."""
    supervisord = _supervisord()
    programs = supervisord.programs()
    if not programs:
        return
    if not supervisord.alive():
        yield Finding("supervisor", False, "does not answer", f"Run {make_up(stack)}.")
    for name in programs:
        for worker in supervisord.look(name):
            says = f"{worker.state}, pid {worker.pid}" if worker.pid else worker.state
            fix = "" if worker.up else f"Read {worker.log}, then run {make_up(stack)}."
            yield Finding(name, worker.up, says, fix)


def readiness(stack: str) -> Iterable[Finding]:
    """Whether every version of every app is ready."""
    try:
        deployed = read(stack)
    except NotDeployed as error:
        found, _, remedy = str(error).partition("\n")
        yield Finding("deployment", False, found, remedy.strip())
        return
    with client() as asking:
        for name, app in deployed.apps.items():
            for version in app.versions:
                for address, log in zip(version.addresses, version.logs, strict=True):
                    problem = unready(asking, address)
                    said = f"{name} {version.label} at {address}"
                    fix = f"Read {log}." if problem else ""
                    yield Finding(said, problem is None, problem or "ready", fix)


def _state() -> Path:
    return settings.CHECKOUT / ".modelserve" / "state" / ".pulumi"


def _supervisord() -> Supervisord:
    return Supervisord(Home(str(settings.CHECKOUT / ".modelserve" / "local")))


def _family(program: str) -> set[int]:
    """The pids of a program's processes and their children."""
    found: set[int] = set()
    for worker in _supervisord().look(program):
        if worker.pid and psutil.pid_exists(worker.pid):
            process = psutil.Process(worker.pid)
            found |= {process.pid, *(child.pid for child in process.children(recursive=True))}
    return found
