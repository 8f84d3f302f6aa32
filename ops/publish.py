"""``modelserve publish``: puts artefacts where clusters find them."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from models.artefact import MANIFEST, ArtefactError
from models.publish import UPLOAD_S
from models.publish import publish as put
from models.remote import open_store
from models.store import StoreError, UnknownModel, default_stores, resolve
from ops.output import AsJson, console, errors, fail

Chosen = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODEL@VERSION]...", help="What to publish; everything that is here by default."),
]
To = Annotated[str, typer.Option("--to", help="The artefact store.", metavar="s3://BUCKET/PREFIX")]


def publish(to: To, chosen: Chosen = None, as_json: AsJson = False) -> None:
    """Put artefacts into an object store; one that is there already is left alone, and never changed.

    Region, endpoint and credentials come from AWS_REGION, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …; those of a profile
    or of single sign-on: eval "$(aws configure export-credentials --format env)".
    """
    try:
        folders = [_folder(each) for each in chosen or ()] or _all()
        done = _publish(folders, to, quiet=as_json)
    except (ArtefactError, StoreError, UnknownModel) as error:
        raise fail(str(error)) from None
    if as_json:
        typer.echo(json.dumps([{"artefact": name, "published": new} for name, new in done.items()], indent=2))
        return
    for name, new in done.items():
        console.print(f"{name}  {'published' if new else 'was there'}", highlight=False)


def _publish(folders: list[Path], to: str, quiet: bool) -> dict[str, bool]:
    """Whether each was new, by ``model@version``."""
    store = open_store(to, answer_s=UPLOAD_S)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    done: dict[str, bool] = {}
    with Progress(*columns, console=errors, disable=quiet or not errors.is_terminal, transient=True) as progress:
        for folder in folders:
            name = f"{folder.parent.name}@{folder.name}"
            task = progress.add_task(name, total=sum(file.stat().st_size for file in folder.iterdir()))
            done[name] = put(folder, store, to, lambda _file, size, task=task: progress.advance(task, size))
    return done


def _folder(asked: str) -> Path:
    name, at, version = asked.partition("@")
    if not at:
        raise UnknownModel(f"{asked} has no version.\n  Give for example: {asked}@1.0.0")
    return resolve(name, version, default_stores())


def _all() -> list[Path]:
    return [file.parent for store in default_stores() for file in sorted(store.glob(f"[!.]*/[!.]*/{MANIFEST}"))]
