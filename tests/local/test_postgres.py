"""Postgres and Redis as they run on one machine: who gets in, what survives, what is refused."""

import json
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from infra.local import daemon, ports
from infra.local.database import DatabaseProvider
from infra.local.home import Home, LocalError
from infra.local.postgres import PostgresProvider
from infra.local.redis import RedisProvider
from tests.until import until

pytestmark = pytest.mark.local

Properties = dict[str, Any]


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        made = Home(f"{Path(folder).resolve()}/local")
        daemon.ensure(made, print)
        yield made
        daemon.shut_down(made, print)


def kept(told: Properties | None) -> Properties:
    """Properties after the engine kept them: every number is a float then."""
    return json.loads(json.dumps(told), parse_int=float)


@pytest.fixture(scope="module")
def postgres(home: Home) -> Properties:
    return kept(PostgresProvider().create(wanted(home)).outs)


@pytest.fixture(scope="module")
def database(home: Home, postgres: Properties) -> Properties:
    told = {"home": home.root, "name": "my-app", "port": postgres["listening_port"], "retain": False}
    return kept(DatabaseProvider().create(told).outs)


@pytest.fixture(scope="module")
def redis(home: Home) -> Properties:
    return kept(RedisProvider().create(wanted(home, memory_mib=32)).outs)


def wanted(home: Home, **more: Any) -> Properties:
    return kept({"home": home.root, "port": 0, "retain": False, "state": "RUNNING", **more})


def listening(pid: float) -> set[str]:
    return {c.laddr.ip for c in psutil.Process(int(pid)).net_connections() if c.status == psutil.CONN_LISTEN}


def test_an_app_gets_in_with_its_url(database: Properties) -> None:
    with psycopg.connect(database["url"]) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("my-app",)


def test_nobody_gets_in_without_a_password(database: Properties) -> None:
    without = database["url"].partition("?")[0]
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(without, passfile="/dev/null")


def test_the_role_is_no_superuser(database: Properties) -> None:
    with psycopg.connect(database["url"]) as connection:
        assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)


def test_passwords_lie_in_files_of_the_user_alone_and_not_in_state(home: Home, database: Properties) -> None:
    [file] = home.secrets.glob("postgres-my-app.pgpass")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip().rpartition(":")[2] not in json.dumps(database)


def test_postgres_listens_on_the_loopback_interface_alone(postgres: Properties) -> None:
    assert listening(postgres["pids"][0]) == {ports.LOOPBACK}


def test_committed_rows_survive_a_killed_server(home: Home, postgres: Properties, database: Properties) -> None:
    with psycopg.connect(database["url"]) as connection:
        connection.execute("CREATE TABLE kept (row int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    psutil.Process(int(PostgresProvider().read("", postgres).outs["pids"][0])).kill()  # type: ignore[index]

    def back() -> bool:
        try:
            with psycopg.connect(database["url"]) as connection:
                return connection.execute("SELECT row FROM kept").fetchall() == [(1,)]
        except psycopg.OperationalError:
            return False

    until(back, "the row is there again")


def test_a_healthy_server_needs_nothing(home: Home, postgres: Properties) -> None:
    assert not PostgresProvider().diff("", postgres, wanted(home)).changes


def test_data_of_another_major_version_is_refused(home: Home, tmp_path: Path) -> None:
    other = Home(str(tmp_path / "local"))
    other.make()
    (other.data / "postgres").mkdir()
    (other.data / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(LocalError, match=r"made by Postgres 9; installed: 16, 18"):
        PostgresProvider().create(wanted(other))


def test_a_taken_port_is_named_with_its_holder(home: Home, tmp_path: Path) -> None:
    other = Home(str(tmp_path / "local"))
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=rf"Port {port} is taken by .* \(pid \d+\)") as refused:
            RedisProvider().create(wanted(other, memory_mib=32) | {"port": float(port)})
    assert "write modelserve:redis.port: " in str(refused.value)


def test_redis_wants_its_password(redis: Properties) -> None:
    with socket.create_connection((ports.LOOPBACK, int(redis["listening_port"]))) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(64).startswith(b"-NOAUTH")


def test_the_password_of_redis_is_in_its_file_alone(home: Home, redis: Properties) -> None:
    file = Path(redis["url_file"])
    password = file.read_text().partition("redis://:")[2].partition("@")[0]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert password not in json.dumps(redis)
    assert password not in " ".join(psutil.Process(int(redis["pids"][0])).cmdline())


def test_a_url_of_redis_that_was_deleted_comes_back_as_it_was(home: Home, redis: Properties) -> None:
    url = Path(redis["url_file"])
    before = url.read_text()
    url.unlink()
    assert mended(redis, wanted(home, memory_mib=32))["state"] == "RUNNING"
    assert url.read_text() == before


def test_a_redis_whose_password_nobody_knows_any_more_gets_another(home: Home, redis: Properties) -> None:
    url, configuration = Path(redis["url_file"]), home.secrets / "redis.conf"
    before = url.read_text()
    url.unlink()
    configuration.unlink()
    assert mended(redis, wanted(home, memory_mib=32))["state"] == "RUNNING"
    assert url.read_text() != before


def mended(was: Properties, wanted: Properties) -> Properties:
    """What ``pulumi up`` makes of a Redis that is not as it should be."""
    told = RedisProvider().diff("redis", was, wanted)
    assert told.changes
    assert not told.replaces
    return RedisProvider().update("redis", was, wanted).outs or {}


def test_another_port_keeps_the_password_and_tells_the_apps(home: Home, redis: Properties) -> None:
    before = Path(redis["url_file"]).read_text()
    moved = RedisProvider().update("", redis, wanted(home, memory_mib=32) | {"port": float(ports.choose(1, 7, ())[0])})
    assert moved.outs
    assert moved.outs["url_file"] != redis["url_file"]
    assert Path(moved.outs["url_file"]).read_text().partition("@")[0] == before.partition("@")[0]


@pytest.mark.parametrize("retain", [True, False])
def test_data_stays_after_a_deletion_only_if_retained(tmp_path: Path, retain: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="rt") as folder:
        other = Home(f"{folder}/local")
        daemon.ensure(other, print)
        made = kept(RedisProvider().create(wanted(other, memory_mib=32) | {"retain": retain}).outs)
        RedisProvider().delete("", made)
        daemon.shut_down(other, print)
        assert (other.data / "redis").exists() == retain
        assert bool(list(other.secrets.iterdir())) == retain
