"""Processes under supervisord, seen through the providers that the engine calls."""

import json
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.local import daemon, orphans, ports
from infra.local.home import Home, LocalError
from infra.local.process import ProcessProvider
from infra.local.supervisord import Program, Supervisord
from ops import doctor
from tests.local.engine import SERVES
from tests.until import until

pytestmark = pytest.mark.local

SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")
TOUCHY = (
    "import os, pathlib; pathlib.Path(os.environ['SEEN']).write_text(os.environ['ODD']); import time; time.sleep(60)"
)


def quiet(_: str) -> None:
    """Nobody listens to progress here."""


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="a b") as folder:
        made = Home(f"{Path(folder).resolve()}/local")
        daemon.ensure(made, quiet)
        yield made
        daemon.shut_down(made, quiet)


@pytest.fixture
def supervisord(home: Home) -> Supervisord:
    return Supervisord(home)


def props(home: Home, **changed: Any) -> dict[str, Any]:
    """Inputs of a process as the engine hands them over."""
    told = {
        "home": home.root,
        "name": "app",
        "command": [sys.executable, "-c", SERVES],
        "environment": {"HOST": ports.LOOPBACK},
        "directory": "/",
        "revision": "1",
        "workers": 1,
        "ready_path": "/",
        "ready_timeout_s": 20,
        "drain_s": 2,
        "state": "RUNNING",
    }
    return kept(told | changed)


def kept(told: dict[str, Any]) -> dict[str, Any]:
    """Properties after the engine kept them: every number is a float then."""
    return json.loads(json.dumps(told), parse_int=float)


@pytest.fixture
def app(home: Home) -> Iterator[tuple[str, dict[str, Any]]]:
    """A process that serves: its id and outputs."""
    provider = ProcessProvider()
    made = provider.create(props(home))
    assert made.outs
    yield made.id, kept(made.outs)
    provider.delete(made.id, kept(made.outs))


def test_the_socket_is_its_owners_alone(home: Home) -> None:
    assert stat.S_IMODE(home.socket.stat().st_mode) == 0o600


def test_a_second_supervisor_is_not_started(home: Home, supervisord: Supervisord) -> None:
    assert daemon.ensure(home, quiet) == supervisord.call("getPID")


def test_a_supervisor_that_hangs_is_told_from_one_that_works_and_replaced(
    home: Home, supervisord: Supervisord, app: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.local.control.ANSWER_S", 0.5)
    process = psutil.Process(supervisord.call("getPID"))
    process.suspend()
    hung = Supervisord(home)
    with pytest.raises(LocalError, match="timed out"):
        hung.call("getState")
    [worker] = hung.look(app[0])
    assert worker.state == "UNSUPERVISED"
    assert daemon.ensure(home, quiet) != process.pid
    assert orphans.has_ended(process)
    until(lambda: Supervisord(home).look(app[0])[0].up, "the program runs again")


def test_every_worker_has_a_port_of_its_own(home: Home, supervisord: Supervisord) -> None:
    provider = ProcessProvider()
    made = provider.create(props(home, workers=2))
    assert made.outs
    assert len(set(made.outs["ports"])) == 2
    assert all(port in ports.CHOSEN_FROM and ports.answers(port, "/") for port in made.outs["ports"])
    provider.delete(made.id, kept(made.outs))
    assert supervisord.look(made.id) == []


def test_a_value_reaches_the_process_as_it_is(home: Home, supervisord: Supervisord, tmp_path: Path) -> None:
    odd = "a ; b # %s \"c\" 'd' $HOME\n%(here)s"
    seen = tmp_path / "seen"
    program = Program("odd", (sys.executable, "-c", TOUCHY), {"ODD": odd, "SEEN": str(seen)})
    supervisord.run(program, lambda: seen.exists() and seen.read_text() == odd, 10, quiet)
    supervisord.stop("odd", quiet)


def test_a_healthy_process_needs_nothing(home: Home, app: tuple[str, dict[str, Any]]) -> None:
    assert not ProcessProvider().diff(*app, props(home)).changes


def test_a_hanging_process_is_restarted(home: Home, app: tuple[str, dict[str, Any]], monkeypatch: Any) -> None:
    monkeypatch.setattr(ports, "PROBE_S", 0.2)
    program, outs = app[0], app[1] | {"ready_timeout_s": 1.0}
    [worker] = Supervisord(home).look(program)
    psutil.Process(worker.pid).suspend()
    until(lambda: Supervisord(home).look(program)[0].age_s > 1, "its time to get ready is over")
    told = props(home, ready_timeout_s=1)
    assert ProcessProvider().diff(program, outs, told).changes
    mended = ProcessProvider().update(program, outs, told).outs
    assert mended
    assert mended["state"] == "RUNNING"
    assert mended["ports"] == outs["ports"]


def test_a_port_that_was_lost_to_somebody_else_is_given_up(home: Home, app: tuple[str, dict[str, Any]]) -> None:
    program, outs = app
    Supervisord(home).stop(program, quiet)
    with socket.create_server((ports.LOOPBACK, int(outs["ports"][0]))):
        mended = ProcessProvider().update(program, outs, props(home)).outs
    assert mended
    assert mended["state"] == "RUNNING"
    assert mended["ports"] != outs["ports"]


def test_what_was_removed_behind_our_back_is_made_again(home: Home, app: tuple[str, dict[str, Any]]) -> None:
    program, outs = app
    Supervisord(home).stop(program, quiet)
    assert not ProcessProvider().read(program, outs).id
    assert ProcessProvider().diff(program, outs, props(home)).changes


def test_deleting_what_is_gone_is_fine(home: Home, app: tuple[str, dict[str, Any]]) -> None:
    ProcessProvider().delete(*app)
    ProcessProvider().delete(*app)


def test_a_late_deletion_spares_the_successor_of_the_same_revision(home: Home, app: tuple[str, dict[str, Any]]) -> None:
    successor = ProcessProvider().create(props(home))
    assert successor.outs
    ProcessProvider().delete(*app)
    assert ports.answers(successor.outs["ports"][0], "/")
    ProcessProvider().delete(successor.id, kept(successor.outs))


def test_logs_of_old_versions_do_not_pile_up(home: Home) -> None:
    for _ in range(3):
        made = ProcessProvider().create(props(home, name="logged"))
        ProcessProvider().delete(made.id, kept(made.outs or {}))
    assert len(list(home.log.glob("logged-*.log"))) <= 2


def test_a_start_that_takes_too_long_is_given_up_and_nothing_stays(supervisord: Supervisord) -> None:
    with pytest.raises(LocalError, match=r"was not ready after 0.5 s"):
        supervisord.run(Program("late", SLEEPS), lambda: False, 0.5, quiet)
    assert "late" not in supervisord.programs()


def test_a_command_that_is_not_there_is_named(supervisord: Supervisord) -> None:
    with pytest.raises(LocalError, match=r"No such file or directory: '/no/such/thing'"):
        supervisord.run(Program("none", ("/no/such/thing",)), lambda: False, 5, quiet)


def test_an_orphan_is_stopped_and_a_stranger_with_its_pid_is_not(supervisord: Supervisord) -> None:
    supervisord.run(Program("known", SLEEPS), lambda: True, 5, quiet)
    until(lambda: supervisord.look("known")[0].starts == 1, "the launcher wrote it down")
    note = supervisord.program_file("known").with_suffix(".0.pid")
    note.write_text(json.dumps({"pid": os.getpid(), "created": 0.0, "starts": 1}))
    assert orphans.recorded(supervisord.program_file("known")) == []
    supervisord.stop("known", quiet)


def test_the_doctor_finds_a_process_that_died_while_its_supervisor_lives(
    home: Home, app: tuple[str, dict[str, Any]], supervisord: Supervisord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_supervisord", lambda: supervisord)
    assert all(found.ok for found in doctor.processes("local"))
    [worker] = supervisord.look(app[0])
    supervisord.call("stopProcessGroup", app[0])
    [found] = [found for found in doctor.processes("local") if not found.ok]
    assert (found.check, found.found) == (app[0], "STOPPED")
    assert found.remedy == f"Read {worker.log}, then run make up."
