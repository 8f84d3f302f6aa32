"""The token of ``POST /model/reload``: made once, in a file that only the user reads."""

import secrets
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra.local.home import Home, write_private
from infra.local.provider import Provider


def token_file(home: Home) -> Path:
    """Where the token lies."""
    return home.secrets / "reload.token"


class ReloadTokenProvider(Provider):
    """Makes the file; its content is in no state."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make it; one that is there stays."""
        file = token_file(Home(props["home"]))
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32) + "\n")
        return CreateResult("reload-token", {**props, "file": str(file)})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Make it again where it is gone."""
        moved = _olds["home"] != _news["home"]
        gone = not token_file(Home(_olds["home"])).exists()
        return DiffResult(changes=moved or gone, replaces=["home"] if moved else [])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Make it again."""
        return UpdateResult(self.create(_news).outs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether it is there."""
        return ReadResult(id_, props) if token_file(Home(props["home"])).exists() else ReadResult(None, {})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove it."""
        token_file(Home(_props["home"])).unlink(missing_ok=True)


class _ReloadToken(Resource, module="local", name="ReloadToken"):
    file: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ReloadTokenProvider(), name, {**props, "file": None}, opts)


class ReloadToken(pulumi.ComponentResource):
    """Who may have an app load its model again."""

    file: pulumi.Output[str]
    """The file, which apps get as ``RELOAD_TOKEN_FILE``."""

    def __init__(self, name: str, home: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:local:ReloadToken", name, None, opts)
        self.file = _ReloadToken(name, {"home": home}, pulumi.ResourceOptions(parent=self)).file
        self.register_outputs({"file": self.file})
