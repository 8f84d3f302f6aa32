"""``modelserve status``: what runs, where it answers, and whether it is well."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

import httpx
import typer
from rich.table import Table

from infra.local.home import Home
from infra.local.supervisord import Supervisord, Worker
from ops.deployment import NotDeployed, read
from ops.output import AsJson, Stack, console, fail
from stacks.outputs import Deployment, Version
from toolchain.places import CHECKOUT

PROBE_S = 2.0
"""An instance that is well answers its probes in milliseconds."""


@dataclass(frozen=True)
class Instance:
    """One version of an app as it is now.

    Attributes:
        app: the app's name.
        urls: where the gateway answers for it.
        version: the version that was asked for.
        weight: per cent of the requests that it answers.
        mirror: per cent of the requests that it gets a copy of.
        serves: the model that it really serves, and why where that is another.
        ready: whether all of its instances are.
        problem: why it is not.
        processes: its processes on this machine.
    """

    app: str
    urls: list[str]
    version: str
    weight: int
    mirror: int
    serves: str
    ready: bool
    problem: str | None = None
    processes: list[Worker] = field(default_factory=list[Worker])


def status(stack: Stack = "local", as_json: AsJson = False) -> None:
    """Show what runs, where it answers, and whether it is well.

    Ends with 1 when something is not ready.
    """
    try:
        deployed = read(stack)
    except NotDeployed as error:
        raise fail(str(error)) from None
    found = look(deployed)
    if as_json:
        told = {"gateway": deployed.gateway, "services": deployed.services, "apps": [asdict(each) for each in found]}
        typer.echo(json.dumps(told, indent=2))
    else:
        _print(deployed, found)
    if not all(each.ready for each in found):
        raise typer.Exit(1)


def look(deployed: Deployment) -> list[Instance]:
    """Ask every version of every app how it is, all at once."""
    workers = _workers(Supervisord(Home(str(CHECKOUT / ".modelserve" / "local"))))
    with ThreadPoolExecutor(8) as pool, client() as asking:
        asked = [
            pool.submit(_look, asking, workers, name, app.urls, version)
            for name, app in deployed.apps.items()
            for version in app.versions
        ]
        return [each.result() for each in asked]


def _workers(supervisord: Supervisord) -> dict[str, Worker]:
    """The processes of this machine, by the address at which each listens."""
    return {
        f"http://127.0.0.1:{port}": worker
        for name in supervisord.programs()
        if (program := supervisord.told(name))
        for port, worker in zip(program.ports, supervisord.look(name), strict=False)
    }


def client() -> httpx.Client:
    """What asks instances: one for all, as making one takes longer than an answer."""
    return httpx.Client(timeout=PROBE_S, trust_env=False)


def _look(asking: httpx.Client, workers: dict[str, Worker], app: str, urls: list[str], version: Version) -> Instance:
    problems = [problem for address in version.addresses if (problem := unready(asking, address))]
    return Instance(
        app=app,
        urls=urls,
        version=version.label,
        weight=version.weight,
        mirror=version.mirror,
        serves=_serves(asking, version.addresses),
        ready=not problems,
        problem="; ".join(dict.fromkeys(problems)) or None,
        processes=[workers[address] for address in version.addresses if address in workers],
    )


def unready(asking: httpx.Client, address: str) -> str | None:
    """Why the instance at ``http://host:port`` is not ready; None when it is."""
    try:
        answer = asking.get(f"{address}/ready")
    except httpx.HTTPError as error:
        return f"{address} does not answer ({type(error).__name__})"
    if answer.is_success:
        return None
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{address}/ready says {answer.status_code}"


def _serves(asking: httpx.Client, addresses: list[str]) -> str:
    for address in addresses:
        try:
            told = asking.get(f"{address}/model/info").json()
        except (httpx.HTTPError, ValueError):
            continue
        if "name" in told and "version" in told:
            instead = told.get("served_as_alternative_for")
            return f"{told['name']} {told['version']}" + (f", for {instead}" if instead else "")
    return ""


def _print(deployed: Deployment, found: list[Instance]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("app", "url", "serves", "traffic", "processes", "ready"):
        table.add_column(column, no_wrap=column in ("app", "url"), overflow="fold")
    for each in found:
        traffic = f"{each.weight} %" + (f" + {each.mirror} % copied" if each.mirror else "")
        pids = ", ".join(f"{w.pid} up {_age(w.age_s)}" if w.pid else w.state for w in each.processes)
        table.add_row(
            each.app,
            "\n".join(each.urls),
            each.serves,
            traffic,
            pids,
            "[green]yes[/green]" if each.ready else f"[red]no[/red]: {each.problem}",
        )
    console.print(table)
    console.print()
    for name, place in {"gateway": deployed.gateway, **deployed.services}.items():
        console.print(f"{name:<12}{place}", highlight=False)


def _age(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
