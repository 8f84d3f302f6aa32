"""``modelserve reference``: what a model's inputs and answers are like, for its app to watch them for drift."""

import asyncio
import base64
import importlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.serving.spec import Model
from infra.settings import CHECKOUT, from_file, serving_specs
from models.artefact import Artefact, ArtefactError
from models.store import Store, StoreError, UnknownModel, default_stores, resolve
from ops import payloads
from ops.deployment import NotDeployed
from ops.deployment import read as read_deployment
from ops.output import console, fail

FEWEST = 100
"""Instances below which a reference is so vague that only gross drift would differ from it."""

Inputs = Annotated[
    Path | None,
    typer.Option(
        "--inputs", help="A folder of pictures, or lines of JSON with a text each.", metavar="PATH", exists=True
    ),
]


def reference(
    app: Annotated[str, typer.Argument(help="The app, by its folder's name.")],
    inputs: Inputs = None,
) -> None:
    """Keep what inputs and answers are like, as what they should be like from now on.

    Of the inputs that are given: held-out or training data, which the app answers in this process. Without any, of the
    payload log of this machine: traffic that you trust.
    """
    from apps.runtime.drift import Reference  # noqa: PLC0415 - half a second that other commands need not spend
    from apps.runtime.handler import Finding  # noqa: PLC0415

    if app not in (known := models()):
        raise fail(f"No app {app} serves a model.\n  There are: {', '.join(known)}.")
    with console.status(f"Asking {app} …"):
        events = answered(app, list(read(inputs))) if inputs else logged(app)
    instances = [instance for event in events for instance in event.data.instances]
    rows = [(one.input.statistics, [Finding(each.label, each.score) for each in one.output]) for one in instances]
    if len(rows) < FEWEST:
        raise fail(f"{len(rows)} instances are too few to say what is usual: at least {FEWEST}.\n  Give more --inputs.")
    name, version = events[-1].data.model, events[-1].data.version
    try:
        artefact = Artefact.load(resolve(name, version, stores(known[app])))
    except (ArtefactError, StoreError, UnknownModel) as error:
        raise fail(str(error)) from None
    file = CHECKOUT / "apps" / app / "drift" / f"{name}-{version}.json"
    file.parent.mkdir(exist_ok=True)
    source = f"{len(rows)} of {_shown(inputs)}" if inputs else f"{len(rows)} from the payload log"
    made = Reference.of(artefact, source, rows)
    file.write_text(json.dumps(made.model_dump(), separators=(",", ":")) + "\n", encoding="utf-8")
    console.print(f"{file.relative_to(CHECKOUT)}: {len(made.statistics)} statistics of {len(rows)} instances")


def models() -> dict[str, Model]:
    """What each app serves that serves a model."""
    return {spec.name: spec.model for spec in serving_specs(from_file("local"), "local") if spec.model}


def stores(model: Model) -> tuple[Store, ...]:
    """Where an app of this machine finds its model; where a registry names the version, the stack's among them."""
    if not model.aliased:
        return default_stores()
    try:
        registry = read_deployment("local").services.get("mlflow")
    except NotDeployed:
        registry = None
    return (*default_stores(), *([f"mlflow+{registry}"] if registry else []))


def logged(app: str) -> list[payloads.Event]:
    """The requests in the payload log that the version answered which answered the last one; copies left out."""
    found = [event for event in payloads.read(payloads.lines(payloads.files(app))) if not event.data.shadow]
    last = [(event.data.model, event.data.version) for event in found[-1:]]
    return [event for event in found if (event.data.model, event.data.version) in last]


def read(inputs: Path) -> Iterator[object]:
    """Instances of V1: pictures of a folder, by name; or texts of a file, a JSON object with ``text`` a line."""
    if inputs.is_dir():
        for file in sorted(inputs.iterdir()):
            if file.is_file():
                yield {"b64": base64.b64encode(file.read_bytes()).decode()}
        return
    try:
        lines = inputs.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"{inputs} cannot be read: {error}.\n  Give lines of JSON, or a folder of pictures.") from None
    for number, line in enumerate(lines, 1):
        try:
            yield json.loads(line)["text"]
        except (ValueError, KeyError, TypeError):
            raise fail(f'{inputs}, line {number}: {line[:80]!r}\n  Give on each line {{"text": "…"}}.') from None


def answered(app: str, instances: Sequence[object]) -> list[payloads.Event]:
    """What the app logs of these, each a request, as it is served in this process."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_ask(app, instances, folder))
        return list(payloads.read(payloads.lines(sorted(Path(folder).glob("*.jsonl")))))


async def _ask(app: str, instances: Sequence[object], folder: str) -> None:
    import httpx  # noqa: PLC0415

    from apps.runtime import logs, server  # noqa: PLC0415
    from apps.runtime.settings import SettingsError  # noqa: PLC0415

    asked = models()[app]
    instead = asked.alternative
    module = importlib.import_module(f"apps.{app}.app")
    settings: Any = module.Settings(
        model_name=asked.name,
        model_version=asked.version,
        model_alternative=f"{instead.name}@{instead.version}" if instead else None,
        model_stores=stores(asked),
        payload_sample=1,
        payload_folder=Path(folder),
        drift_run_length=0,  # in the order in which data lies, any looks like drift
    )
    try:
        created = module.create(settings)
    except SettingsError as error:  # its model runs elsewhere
        raise fail(f"{app} cannot answer here: {error}\n  Ask the deployed one, then leave --inputs out.") from None
    logs.configure("WARNING", app)
    served = server.build(app, created, settings)
    transport = httpx.ASGITransport(served.asgi)
    async with (
        served.api.router.lifespan_context(served.api),
        httpx.AsyncClient(transport=transport, base_url="http://app", timeout=None) as client,  # noqa: S113 - no network
    ):
        await created.model.loading
        for instance in instances:
            answer = await client.post(f"/v1/models/{app}:predict", json={"instances": [instance]})
            if not answer.is_success:
                raise fail(f"{app} does not answer: {answer.json().get('detail', answer.text)}")


def _shown(inputs: Path) -> str:
    return str(inputs.resolve().relative_to(CHECKOUT)) if inputs.resolve().is_relative_to(CHECKOUT) else inputs.name
