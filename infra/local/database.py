"""An app's database: a role of its own that owns it, with its password in a file that only the user reads."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra.local import ports
from infra.local.home import Home
from infra.local.postgres import passfile
from infra.local.provider import Provider


class DatabaseProvider(Provider):
    """Makes the role and the database; what is there already is taken over, with a new password."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make both."""
        return CreateResult(props["name"], self._make(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Another name is another database; a password file that is gone is written again."""
        replaces = [key for key in ("home", "name") if _olds[key] != _news[key]]
        changed = any(_olds[key] != _news[key] for key in ("port", "retain"))
        lost = not passfile(Home(_olds["home"]), _olds["name"]).exists()
        return DiffResult(changes=bool(replaces) or changed or lost, replaces=replaces)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Make sure of both at the server's new port."""
        return UpdateResult(self._make(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether it is there; a server that does not answer says nothing about its databases."""
        from infra.local import superuser  # noqa: PLC0415 -- see there

        try:
            there = superuser.has(Home(props["home"]), int(props["port"]), props["name"])
        except superuser.Unreachable:
            there = True
        return ReadResult(id_ if there else None, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Drop both, unless they are retained or went with the server."""
        from infra.local import superuser  # noqa: PLC0415 -- see there

        if _props["retain"]:
            return
        home, name = Home(_props["home"]), _props["name"]
        try:
            superuser.drop(home, int(_props["port"]), name)
        except superuser.Unreachable as error:
            self.say(f"Postgres does not answer, so database {name} was not dropped: {error}")
        passfile(home, name).unlink(missing_ok=True)

    def _make(self, props: dict[str, Any]) -> dict[str, Any]:
        from infra.local import superuser  # noqa: PLC0415 -- see there

        home, port, name = Home(props["home"]), int(props["port"]), props["name"]
        superuser.make(home, port, name)
        return {
            **props,
            "url": f"postgresql://{name}@{ports.LOOPBACK}:{port}/{name}?passfile={quote(str(passfile(home, name)))}",
        }


class _Database(Resource, module="local", name="Database"):
    url: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(DatabaseProvider(), name, {**props, "url": None}, opts)


@dataclass(frozen=True)
class DatabaseArgs:
    """Where a database is made.

    Attributes:
        home: the supervisor's ``home``.
        port: of the Postgres it lives in.
        retain: whether it stays when its resource goes.
    """

    home: pulumi.Input[str]
    port: pulumi.Input[int]
    retain: bool = True


class Database(pulumi.ComponentResource):
    """A database and the role that owns it, both named as the resource."""

    url: pulumi.Output[str]
    """``postgresql://`` URL that names the password's file, never the password."""

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:local:Database", name, None, opts)
        props = {"home": args.home, "name": name, "port": args.port, "retain": args.retain}
        self.url = _Database(name, props, pulumi.ResourceOptions(parent=self)).url
        self.register_outputs({"url": self.url})
