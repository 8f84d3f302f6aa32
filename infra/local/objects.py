"""A folder that is an app's object store on one machine."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra.local.home import Home
from infra.local.provider import Provider


class ObjectsProvider(Provider):
    """Makes the folder, and removes it with all that is in it."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the folder; one that is there is taken over."""
        folder = _folder(props)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return CreateResult(props["name"], {**props, "url": folder.as_uri()})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Make it again where it is gone."""
        moved = _olds["home"] != _news["home"]
        changes = moved or _olds["retain"] != _news["retain"] or not _folder(_olds).is_dir()
        return DiffResult(changes=changes, replaces=["home"] if moved else [])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Make it again, or remember whether it stays."""
        return UpdateResult(self.create(_news).outs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether it is there."""
        return ReadResult(id_, props) if _folder(props).is_dir() else ReadResult(None, {})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the objects, unless they are retained."""
        if not _props["retain"]:
            shutil.rmtree(_folder(_props), ignore_errors=True)


def _folder(props: dict[str, Any]) -> Path:
    return Home(props["home"]).data / "objects" / props["name"]


class _Objects(Resource, module="local", name="Objects"):
    url: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ObjectsProvider(), name, {**props, "url": None}, opts)


@dataclass(frozen=True)
class ObjectsArgs:
    """Where the folder lies.

    Attributes:
        home: the supervisor's ``home``.
        retain: whether the objects stay when their resource goes.
    """

    home: pulumi.Input[str]
    retain: bool


class Objects(pulumi.ComponentResource):
    """An object store for the app of the same name."""

    url: pulumi.Output[str]
    """``file://`` URL."""

    def __init__(self, name: str, args: ObjectsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:local:Objects", name, None, opts)
        props = {"home": args.home, "name": name, "retain": args.retain}
        self.url = _Objects(name, props, pulumi.ResourceOptions(parent=self)).url
        self.register_outputs({"url": self.url})
