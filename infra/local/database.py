"""An app's database: a role of its own that owns it, with its password in a file that only the user reads."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import psycopg
import pulumi
from psycopg import sql
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra.local import ports
from infra.local.home import Home
from infra.local.postgres import connect, passfile, write_password
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
        try:
            with connect(Home(props["home"]), int(props["port"])) as server:
                there = _exists(server, "pg_database", "datname", props["name"])
        except psycopg.OperationalError:
            there = True
        return ReadResult(id_ if there else None, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Drop both, unless they are retained or went with the server."""
        home, name = Home(_props["home"]), sql.Identifier(_props["name"])
        if _props["retain"]:
            return
        try:
            with connect(home, int(_props["port"])) as server:
                server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
                server.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(name))
        except psycopg.OperationalError as error:
            self.say(f"Postgres does not answer, so database {_props['name']} was not dropped: {error}")
        passfile(home, _props["name"]).unlink(missing_ok=True)

    def _make(self, props: dict[str, Any]) -> dict[str, Any]:
        home, name = Home(props["home"]), sql.Identifier(props["name"])
        file = passfile(home, props["name"])
        with connect(home, int(props["port"])) as server:
            if not _exists(server, "pg_roles", "rolname", props["name"]):
                server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
                file.unlink(missing_ok=True)
            if not file.exists():
                # Only the verifier crosses the wire, so that no log of statements can hold the password.
                password = write_password(file, props["name"]).encode()
                verifier = server.pgconn.encrypt_password(password, props["name"].encode(), b"scram-sha-256")
                server.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(verifier.decode())))
            if not _exists(server, "pg_database", "datname", props["name"]):
                server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
                server.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(name))
        at = f"{ports.LOOPBACK}:{int(props['port'])}"
        return {**props, "url": f"postgresql://{props['name']}@{at}/{props['name']}?passfile={quote(str(file))}"}


def _exists(server: psycopg.Connection[tuple[Any, ...]], catalogue: str, column: str, name: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(sql.Identifier(catalogue), sql.Identifier(column))
    return server.execute(query, (name,)).fetchone() is not None


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
