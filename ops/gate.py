"""``modelserve deploy``: brings a stack up, watches it, and puts the version before back when it is not well."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import httpx
import typer

from infra.settings import CHECKOUT
from ops.deployment import NotDeployed, read
from ops.output import console, errors
from stacks.outputs import Deployment

PROBE_S = 5.0
"""As long as the gateway's health checks wait; a cold start that takes longer is one that callers feel."""

PROBLEM = "application/problem+json"
"""What an app answers with when it refuses; a gateway's own 404 has no body."""

FAILED_SHARE = (
    'sum by (app) (increase(http_server_request_duration_seconds_count{{http_response_status_code=~"5.."}}[{w}s]))'
    " / sum by (app) (increase(http_server_request_duration_seconds_count[{w}s]))"
)
SCRAPES_S = 60
"""Prometheus needs a few of its rounds, 15 s each, to tell a rate."""

ROLLED_BACK = 1
STILL_ILL = 2


@dataclass(frozen=True)
class Limits:
    """When a deployment counts as well.

    Attributes:
        ready_s: until every app is ready; on AWS a load balancer's name and its targets take minutes the first time.
        watch_s: how long the apps are then asked, once a second.
        max_errors: share of failed answers, of each app; what the alert of an app's errors allows.
    """

    ready_s: float = 900
    watch_s: float = 300
    max_errors: float = 0.05


def deploy(
    stack: Annotated[str, typer.Argument(help="The stack to bring up.", metavar="STACK")],
    previous: Annotated[
        str, typer.Option(help="Commit to go back to; without one, an unwell stack stays as it is.", metavar="COMMIT")
    ] = "",
    ready_s: Annotated[float, typer.Option(help="Seconds until every app must be ready.")] = Limits.ready_s,
    watch_s: Annotated[float, typer.Option(help="Seconds to watch the apps then.")] = Limits.watch_s,
) -> None:
    """Bring a stack up without asking, watch it, and put the version before back when it is not well.

    Ends with 1 when it was not well and the version before is back, with 2 when that is not well either or there is
    none.
    """
    limits = Limits(ready_s, watch_s)
    problems = _brought_up(CHECKOUT, stack, limits)
    if not problems:
        console.print(f"Stack {stack} is well.")
        return
    _say(f"Stack {stack} is not well:", problems)
    if not previous:
        errors.print("There is no version before to put back.")
        raise typer.Exit(STILL_ILL)
    errors.print(f"Putting {previous} back.", highlight=False)
    problems = put_back(CHECKOUT, previous, stack, limits)
    if problems:
        _say(f"Stack {stack} is not well with {previous} either:", problems)
        raise typer.Exit(STILL_ILL)
    errors.print(f"Stack {stack} is well with {previous}. What was to be deployed is not.", highlight=False)
    raise typer.Exit(ROLLED_BACK)


def put_back(checkout: Path, commit: str, stack: str, limits: Limits) -> list[str]:
    """Bring the stack up with the program of another commit; what is not well then.

    The program runs in a work tree of its own, with the packages that it was locked with; the images that it asks for
    are still in the registry under the tags of their content.
    """
    with tempfile.TemporaryDirectory(prefix="modelserve-") as folder:
        tree = Path(folder) / "previous"
        added = subprocess.run(
            ["git", "worktree", "add", "--quiet", "--detach", str(tree), commit],
            cwd=checkout,
            capture_output=True,
            text=True,
            check=False,
        )
        if added.returncode:
            return [f"commit {commit} cannot be checked out: {added.stderr.strip()}"]
        try:
            return _brought_up(tree, stack, limits)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=checkout, check=False)


def _brought_up(checkout: Path, stack: str, limits: Limits) -> list[str]:
    env = os.environ | {"PULUMI_SKIP_CONFIRMATIONS": "true"}
    # Another commit has an environment of its own.
    env.pop("VIRTUAL_ENV", None)
    status = subprocess.run(["make", "up", f"STACK={stack}"], cwd=checkout, env=env, check=False).returncode
    if status:
        return [f"make up STACK={stack} ended with status {status}; what it said is above"]
    try:
        return judge(read(stack), limits)
    except NotDeployed as error:
        return [str(error)]


def judge(deployed: Deployment, limits: Limits) -> list[str]:
    """What is not well, a line for each app; empty where all is.

    First every app must get ready, then its share of failed answers must stay within the limit for as long as it is
    watched: of our own questions, and of all requests where the stack tells of a Prometheus that can be asked from
    here. An app that answers nobody outside the cluster is judged through the apps that need it.
    """
    asked = {name: _probes(deployed, name) for name in deployed.apps}
    asked = {name: urls for name, urls in asked.items() if urls}
    deadline = time.monotonic() + limits.ready_s
    with ThreadPoolExecutor(16) as pool, httpx.Client(timeout=PROBE_S, trust_env=False) as client:

        def failing() -> dict[str, str]:
            answers = {name: [pool.submit(_problem, client, url) for url in urls] for name, urls in asked.items()}
            problems = {name: [each.result() for each in of_app] for name, of_app in answers.items()}
            return {name: why for name, of_app in problems.items() if (why := next(filter(None, of_app), None))}

        while late := failing():
            if time.monotonic() > deadline:
                return [f"{name} is not ready after {limits.ready_s:g} s: {why}" for name, why in late.items()]
            time.sleep(min(1.0, limits.ready_s / 10))
        problems = _watched(failing, list(asked), limits)
    return problems or _of_callers(deployed.services.get("prometheus"), limits)


def _of_callers(prometheus: str | None, limits: Limits) -> list[str]:
    """The apps that failed too large a share of everybody's requests since they are watched."""
    if prometheus is None:
        return []
    query = FAILED_SHARE.format(w=int(max(limits.watch_s, SCRAPES_S)))
    try:
        answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=PROBE_S, trust_env=False)
        rates = {each["metric"]["app"]: float(each["value"][1]) for each in answer.json()["data"]["result"]}
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return [f"Prometheus at {prometheus} does not tell how many requests failed ({type(error).__name__})"]
    return [f"{app} failed {rate:.1%} of its requests" for app, rate in rates.items() if rate > limits.max_errors]


def _watched(failing: Callable[[], dict[str, str]], apps: list[str], limits: Limits) -> list[str]:
    rounds, failed = 0, dict.fromkeys(apps, 0)
    last: dict[str, str] = {}
    end = time.monotonic() + limits.watch_s
    while rounds == 0 or time.monotonic() < end:
        now = failing()
        last |= now
        for name in now:
            failed[name] += 1
        rounds += 1
        time.sleep(min(1.0, limits.watch_s / 10))
    return [
        f"{name} failed {count} of {rounds} times: {last[name]}"
        for name, count in failed.items()
        if count > limits.max_errors * rounds
    ]


def _probes(deployed: Deployment, app: str) -> list[str]:
    """Where to ask an app whether it is ready: each instance where they are told, else the gateway."""
    told = deployed.apps[app]
    instances = [address for version in told.versions for address in version.addresses]
    return [f"{address}/ready" for address in instances] or [f"{url}ready" for url in told.urls[:1]]


def _problem(client: httpx.Client, url: str) -> str | None:
    try:
        answer = client.get(url)
    except httpx.HTTPError as error:
        return f"{url} does not answer ({type(error).__name__})"
    # A route that keeps its prefix leads past /ready, and one with keys lets us not in: whoever says so, serves.
    refused = answer.is_client_error and answer.status_code != HTTPStatus.NOT_FOUND
    unknown = answer.status_code == HTTPStatus.NOT_FOUND and PROBLEM in answer.headers.get("content-type", "")
    if answer.is_success or refused or unknown:
        return None
    return f"{url} says {answer.status_code}"


def _say(title: str, problems: list[str]) -> None:
    errors.print("\n".join([title, *(f"  {problem}" for problem in problems)]), markup=False, highlight=False)
