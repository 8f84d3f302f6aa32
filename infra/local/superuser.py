"""What is done as Postgres' superuser.

Imported where it is done: a plan does none of it, and the driver takes longer to import than a plan should.
"""

from typing import Any

import psycopg
from psycopg import sql

from infra.local import ports
from infra.local.home import Home
from infra.local.postgres import SUPERUSER, passfile, write_password

Unreachable = psycopg.OperationalError
"""The server does not answer, or not to us."""


def make(home: Home, port: int, name: str) -> None:
    """Make sure of a role, its password file, and a database that only the role may use; all three have one name."""
    role, file = sql.Identifier(name), passfile(home, name)
    with _connect(home, port) as server:
        if not _exists(server, "pg_roles", "rolname", name):
            server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
            file.unlink(missing_ok=True)
        if not file.exists():
            # Only the verifier crosses the wire, so that no log of statements can hold the password.
            password = write_password(file, name).encode()
            verifier = server.pgconn.encrypt_password(password, name.encode(), b"scram-sha-256")
            server.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(verifier.decode())))
        if not _exists(server, "pg_database", "datname", name):
            server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
            server.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(role))


def has(home: Home, port: int, name: str) -> bool:
    """Whether there is such a database.

    Raises:
        Unreachable: nobody can say.
    """
    with _connect(home, port) as server:
        return _exists(server, "pg_database", "datname", name)


def drop(home: Home, port: int, name: str) -> None:
    """Drop the database, whoever is using it, and the role.

    Raises:
        Unreachable: nothing was dropped.
    """
    role = sql.Identifier(name)
    with _connect(home, port) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(role))
        server.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(role))


def _connect(home: Home, port: int) -> psycopg.Connection[tuple[Any, ...]]:
    """Outside of transactions, as making databases wants it."""
    return psycopg.connect(
        host=ports.LOOPBACK,
        port=port,
        user=SUPERUSER,
        dbname="postgres",
        passfile=str(passfile(home, SUPERUSER)),
        connect_timeout=3,
        autocommit=True,
    )


def _exists(server: psycopg.Connection[tuple[Any, ...]], catalogue: str, column: str, name: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(sql.Identifier(catalogue), sql.Identifier(column))
    return server.execute(query, (name,)).fetchone() is not None
