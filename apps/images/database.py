"""The database behind a URL: PostgreSQL or SQLite, with the same promises."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import URL, event, make_url, text
from sqlalchemy import exc as errors
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from apps.images import schema
from apps.images.faults import Full, Unavailable

CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_S = 8
"""The server ends a statement that takes longer."""

LOCKED_PAUSE_S = 0.02
"""Before a worker asks again for what another worker is just doing to the same SQLite file."""

TRANSACTION_TIMEOUT_S = 10
"""We stop waiting for the server, which may be hanging; above what it takes to connect or to run into its own limit."""

DRIVERS = {"postgresql": "postgresql+psycopg", "sqlite": "sqlite+aiosqlite"}


class Database:
    """Transactions on the app's tables, which are made with the first one.

    A lost server fails the transactions under way and no later ones: each connection is tried before it is lent, and
    replaced where it is dead.
    """

    def __init__(self, url: str) -> None:
        """Take ``postgresql://user@host:port/name?passfile=/path`` or ``sqlite:////path.db``; nothing is connected yet.

        Raises:
            ValueError: the URL is no such thing.
        """
        place, arguments = _parse(url)
        sqlite = place.get_backend_name() == "sqlite"
        self._engine = create_async_engine(
            place,
            connect_args=arguments,
            pool_pre_ping=True,
            # SQLite has one writer; who waits for its lock polls, who waits for the pool is served in turn.
            pool_size=1 if sqlite else 10,
            max_overflow=0,
            pool_timeout=CONNECT_TIMEOUT_S,
            hide_parameters=True,
        )
        self._created = False
        if sqlite:
            event.listen(self._engine.sync_engine, "connect", _set_up_sqlite)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end of the block, rolled back when the block fails.

        Raises:
            Unavailable: the database could not be reached, or was lost. Lost during the commit, the transaction may
                have happened nevertheless.
            Full: the database has no room.
        """
        try:
            async with asyncio.timeout(TRANSACTION_TIMEOUT_S):
                if not self._created:
                    await self._create()
                async with self._engine.begin() as connection:
                    yield connection
        except errors.DBAPIError as error:
            raise _fault(error) from error
        except (errors.TimeoutError, TimeoutError, OSError) as error:
            raise Unavailable("database", str(error) or "time-out") from error

    async def _create(self) -> None:
        """Make the schema; in SQLite also the log that lets readers work beside the writer, a property of the file."""
        if self._engine.dialect.name == "sqlite":
            while not await self._write_ahead():  # noqa: ASYNC110 -- another process holds it: there is no event
                await asyncio.sleep(LOCKED_PAUSE_S)
        async with self._engine.begin() as connection:
            await schema.create(connection)
        self._created = True

    async def _write_ahead(self) -> bool:
        """Whether SQLite keeps a write-ahead log now.

        The change needs the file to itself. Two who ask for it at once would wait for each other, so SQLite refuses one
        of them without waiting for its time-out: who is refused asks again.
        """
        try:
            async with self._engine.connect() as connection:
                await connection.execute(text("PRAGMA journal_mode=WAL"))
        except errors.OperationalError as error:
            if getattr(error.orig, "sqlite_errorname", "") != "SQLITE_BUSY":
                raise
            return False
        return True

    async def check(self) -> None:
        """Do nothing in a transaction; raises what ``transaction`` does."""
        async with self.transaction() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Give all connections back."""
        await self._engine.dispose()


def _parse(url: str) -> tuple[URL, dict[str, Any]]:
    """The URL with its driver, and the driver's arguments."""
    try:
        place = make_url(url)
    except errors.ArgumentError as error:
        # The URL itself stays out of the message: it may carry a password.
        raise ValueError("DATABASE_URL is not a URL; give sqlite:////path.db or postgresql://user@host/name") from error
    driver = DRIVERS.get(place.drivername)
    if driver is None:
        raise ValueError(f"DATABASE_URL begins with {place.drivername}://; give one of {', '.join(DRIVERS)}")
    if driver == DRIVERS["sqlite"]:
        return place.set(drivername=driver), {"timeout": CONNECT_TIMEOUT_S}
    limits = f"-c statement_timeout={STATEMENT_TIMEOUT_S}s -c idle_in_transaction_session_timeout=60s -c timezone=UTC"
    return place.set(drivername=driver), {"connect_timeout": CONNECT_TIMEOUT_S, "options": limits}


def _set_up_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 -- SQLAlchemy's adapter has no public type
    """What SQLite leaves off by default."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _fault(error: errors.DBAPIError) -> Exception:
    """The error as one that a caller can act on; what only a mistake of ours can cause stays as it is."""
    disk_full = "53100"  # PostgreSQL's SQLSTATE
    if (
        getattr(error.orig, "sqlstate", None) == disk_full
        or getattr(error.orig, "sqlite_errorname", "") == "SQLITE_FULL"
    ):
        return Full("database")
    if error.connection_invalidated or isinstance(
        error, errors.OperationalError | errors.InterfaceError | errors.InternalError
    ):
        return Unavailable("database", str(error.orig).partition("\n")[0])
    return error
