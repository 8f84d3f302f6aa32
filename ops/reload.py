"""``modelserve reload``: has an app load its model again, an alias by what it points at now, while it serves."""

import json
from typing import Annotated, Any

import httpx
import typer

from infra.local.home import Home
from infra.local.token import token_file
from infra.settings import CHECKOUT
from ops.deployment import NotDeployed, read
from ops.output import AsJson, Stack, console, fail

TIMEOUT_S = 600
"""For fetching, verifying and warming up the largest model."""

App = Annotated[str, typer.Argument(metavar="APP", help="The app, for example road.")]
Wanted = Annotated[
    str | None, typer.Option("--version", metavar="VERSION", help="In place of the declared one, until the next time.")
]


def reload(app: App, version: Wanted = None, stack: Stack = "local", as_json: AsJson = False) -> None:
    """Have every process of an app's stable version load its model again; no request is lost.

    Ends with 1 where one refuses: that one goes on with the model that it has.
    """
    try:
        deployed = read(stack)
    except NotDeployed as error:
        raise fail(str(error)) from None
    if app not in deployed.apps:
        raise fail(f"Stack {stack} has no app {app}.\n  It has {', '.join(sorted(deployed.apps))}.")
    addresses = deployed.apps[app].versions[0].addresses
    file = token_file(Home(str(CHECKOUT / ".modelserve" / "local")))
    if not addresses or not file.exists():
        raise fail(
            f"Stack {stack} is not on this machine, or has no {file}.\n"
            "  make up makes it again; elsewhere: POST /model/reload."
        )
    token = file.read_text(encoding="utf-8").strip()
    told = [_ask(address, token, version) for address in addresses]
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    for each in told:
        state = "serves" if each["changed"] else "still serves"
        console.print(f"{each['address']}  {state} {each['name']} {each['version']}", highlight=False)


def _ask(address: str, token: str, version: str | None) -> dict[str, Any]:
    asked = {"version": version} if version else {}
    try:
        with console.status(f"Loading at {address} …"):
            answer = httpx.post(
                f"{address}/model/reload",
                json=asked,
                headers={"Authorization": f"Bearer {token}"},
                timeout=TIMEOUT_S,
                trust_env=False,
            )
        told: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise fail(f"{address} does not answer: {error or type(error).__name__}.\n  modelserve doctor") from None
    if not answer.is_success:
        raise fail(f"{address} goes on with the model that it has: {told.get('detail', answer.text)}")
    return {"address": address, **told}
