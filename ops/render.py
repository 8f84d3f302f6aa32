"""``modelserve render``: what a stack would make, as files to read and to compare."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pulumi import AssetArchive, FileAsset, RunError

from infra.settings import PROJECT, from_file
from infra.validation import SettingsError
from ops.output import Stack, console, fail
from ops.program import Made, program

RENDERED = ".rendered-by-modelserve"
"""Marks a folder that rendering may empty."""

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write to; new, or one that render wrote before.")]


def render(stack: Stack, out: Out) -> None:
    """Write every Kubernetes object of a stack as YAML and every other resource as JSON.

    Needs no cluster, cloud or credentials: what only those can know stands as ${Type.name.property}. Two renderings
    compare with diff -r.
    """
    try:
        if from_file(stack).target == "local":
            raise fail("Stack local is processes on this machine; it has nothing to render.\n  See modelserve status.")
        with console.status(f"Running the program of {stack}"):
            made = program(stack)
    except (SettingsError, RunError) as error:
        raise fail(str(error)) from None
    try:
        files = write(made, out)
    except FileExistsError as error:
        raise fail(f"{error} is there already, and render did not write it.\n  Give --out another folder.") from None
    console.print(f"{len(files)} files in {out}", highlight=False)


def write(made: list[Made], out: Path) -> list[Path]:
    """Write resources to files, in place of what was rendered there before; components have none.

    Raises:
        FileExistsError: the folder has something else in it.
    """
    if out.exists() and any(out.iterdir()):
        if not (out / RENDERED).exists():
            raise FileExistsError(out)
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for each in made:
        if each.type.startswith(("pulumi:", f"{PROJECT}:")):
            continue
        file, text = _file(each)
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        (out / file).write_text(text)
        files.append(out / file)
    (out / RENDERED).touch()
    return files


def manifest(made: Made) -> Mapping[str, Any] | None:
    """The Kubernetes object, if it is one."""
    properties = made.properties
    if made.type.startswith("kubernetes:") and {"apiVersion", "kind"} <= properties.keys():
        return {key: properties[key] for key in ("apiVersion", "kind", "metadata")} | dict(properties)
    return None


def _file(made: Made) -> tuple[Path, str]:
    if found := manifest(made):
        metadata = found["metadata"]
        folder = Path("kubernetes") / metadata.get("namespace", "cluster")
        text = yaml.safe_dump(dict(found), sort_keys=False)
        return folder / f"{found['kind'].lower()}-{_plain(metadata['name'])}.yaml", text
    package, module, name = made.type.split(":")
    told = {"type": made.type, "name": made.name, "properties": made.properties}
    folder = Path(package) / module.partition("/")[0]
    text = json.dumps(told, indent=2, sort_keys=True, default=_asset) + "\n"
    return folder / f"{name}-{_plain(made.name)}.json", text


def _asset(value: object) -> object:
    """What goes along with a resource, by the names of its files."""
    if isinstance(value, AssetArchive):
        return {"archive": sorted(value.assets)}
    if isinstance(value, FileAsset):
        return {"file": Path(value.path).name}
    raise TypeError(f"no JSON for {type(value).__name__}")


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)
