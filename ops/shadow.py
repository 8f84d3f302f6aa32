"""``modelserve shadow``: how a canary that gets copies answers, beside stable."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ops import comparison, payloads
from ops.deployment import NotDeployed
from ops.deployment import read as read_deployment
from ops.output import AsJson, Stack, console, fail
from stacks.outputs import App

HOW = """\
  Give apps/{app}/app.yaml these, run make up, and let requests come:
    payloads: {{sample: 1}}
    traffic: {{canary: {{version: …, mirror: 100}}}}"""

Events = Annotated[
    Path | None,
    typer.Option(
        "--from", help="A log with payload events in it; - is standard input.", metavar="FILE", allow_dash=True
    ),
]


def shadow(
    app: Annotated[str, typer.Argument(help="The app, as status names it.")],
    stack: Stack = "local",
    events: Events = None,
    as_json: AsJson = False,
) -> None:
    """Compare what a canary answers to copies of requests with what stable answers to the requests.

    On a cluster payloads are in the pods' logs:
    kubectl logs -n serving -l app.kubernetes.io/name=NAME --tail=-1 | modelserve shadow NAME -s dev --from -
    """
    try:
        deployed = read_deployment(stack).apps
    except NotDeployed as error:
        raise fail(str(error)) from None
    if app not in deployed:
        raise fail(f"Stack {stack} has no app {app}.\n  There are: {', '.join(deployed)}.")
    stable, canary = _versions(app, deployed[app])
    found = sys.stdin if events == Path("-") else payloads.lines([events] if events else payloads.files(app))
    logged = (event for event in payloads.read(found) if event.data.app == app)
    report = comparison.compare(logged, stable, canary)
    if report is None:
        raise fail(f"No request to {app} was logged by both {stable} and its canary {canary}.\n{HOW.format(app=app)}")
    if as_json:
        typer.echo(json.dumps({"app": app, "stable": stable, "canary": canary, **asdict(report)}, indent=2))
    else:
        _print(app, stable, canary, report)


def _versions(app: str, deployed: App) -> tuple[str, str]:
    if len(deployed.versions) == 1:
        raise fail(f"{app} has no canary.\n{HOW.format(app=app)}")
    stable, canary = deployed.versions
    return stable.label, canary.label


def _print(app: str, stable: str, canary: str, report: comparison.Report) -> None:
    missing = f" ({report.stable_only} without a copy, {report.canary_only} copies alone)"
    console.print(f"[b]{app}[/b]: canary {canary} beside stable {stable}, {report.compared} requests{missing}")
    console.print(
        f"same answer   {report.agreement:.2%}, between {report.low:.2%} and {report.high:.2%} with 95 % confidence"
    )
    console.print(f"same findings {report.overlap:.2%}")
    if report.score:
        console.print(
            f"score differs {report.score.mean:.4f} on average, {report.score.p95:.4f} p95, {report.score.max:.4f} max"
        )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("latency", "p50", "p95", "p99"):
        table.add_column(column, justify="left" if column == "latency" else "right")
    for name, times, unit in (
        ("stable", report.stable_ms, " ms"),
        ("canary", report.canary_ms, " ms"),
        ("ratio", report.ratio, " ×"),
    ):
        table.add_row(name, *(f"{each:.2f}{unit}" for each in (times.p50, times.p95, times.p99)))
    console.print(table)
    for each in report.disagreements:
        console.print(f"{each.id}  stable {each.stable}  canary {each.canary}", markup=False, highlight=False)
