"""Processes as resources of the real engine: what `up`, `refresh` and `destroy` do, and leave alone."""

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.local.engine import SERVES, Stack, stack
from tests.until import until

pytestmark = pytest.mark.local

SLOW = "import time; time.sleep(60)"
FAILS = "print('reading the model'); raise SystemExit(3)"


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    """Two apps that are up."""
    with stack() as made:
        made.serve("left")
        made.serve("right")
        said = made.up()
        assert made.programs("left"), said
        yield made


@pytest.fixture
def up(running: Stack) -> Stack:
    """The same, brought back to two healthy apps if a test left them otherwise."""
    if running.apps.keys() != {"left", "right"} or any(app["code"] != SERVES for app in running.apps.values()):
        running.serve("left")
        running.serve("right")
        running.up()
    return running


def test_a_second_up_changes_nothing(up: Stack) -> None:
    before = up.pid("left")
    assert "7 unchanged" in up.up()
    assert up.pid("left") == before


def test_processes_see_nothing_of_the_engine(up: Stack) -> None:
    environment = psutil.Process(up.pid("left")).environ()
    assert not [name for name in environment if name.startswith("PULUMI")]


def test_an_edited_app_is_replaced_by_one_that_is_ready_before_the_old_one_goes(up: Stack) -> None:
    before = up.pid("left")
    up.serve("left", revision="edited")
    said = up.up()
    assert said.index("left created replacement") < said.index("left deleting original")
    assert up.pid("left") != before
    assert not psutil.pid_exists(before) or psutil.Process(before).status() == psutil.STATUS_ZOMBIE


def test_editing_one_app_leaves_the_other_alone(up: Stack) -> None:
    before = up.pid("right")
    up.serve("left", revision="edited again")
    assert "6 unchanged" in up.up()
    assert up.pid("right") == before


def test_a_refresh_tells_that_a_process_was_killed_and_restarted(up: Stack) -> None:
    before = up.pid("left")
    psutil.Process(before).kill()
    until(lambda: up.pid("left") not in (0, before), "supervisord restarts it")
    program = up.programs("left")[0]
    until(lambda: up.supervisord.look(program)[0].up, "it is up")
    said = up.refresh()
    assert f"{before} => " in said
    assert '"RUNNING" => ' in said


def test_a_version_that_does_not_start_says_why_and_the_old_one_stays(up: Stack) -> None:
    before = up.pid("left")
    up.serve("left", code=FAILS)
    said = up.up()
    assert "exit status 3" in said
    assert "| reading the model" in said
    assert f"{up.folder}/local/log/left-" in said
    assert "Traceback" not in said
    assert up.pid("left") == before


def test_an_up_that_was_killed_leaves_nothing_behind_for_the_next(up: Stack) -> None:
    before = set(up.programs("left"))
    up.serve("left", code=SLOW, timeout_s=30)
    engine = up.up_in_background()
    until(lambda: len(up.programs("left")) == 2, "the new one starts beside the old one")
    [half_started] = set(up.programs("left")) - before
    os.killpg(engine.pid, signal.SIGKILL)
    engine.wait()
    up.cancel()
    up.serve("left", revision="after the interruption")
    said = up.up()
    assert "an interrupted run left behind" in said
    assert len(up.programs("left")) == 1
    assert half_started not in up.programs("left")


def test_a_plain_up_revives_a_killed_supervisor_and_what_it_ran(up: Stack) -> None:
    orphan = up.pid("left")
    psutil.Process(int(up.supervisord.call("getPID"))).kill()
    up.up()
    assert up.supervisord.alive()
    assert up.pid("left") not in (0, orphan)
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE


def test_destroy_leaves_no_process_and_no_run_file_and_up_works_again(up: Stack) -> None:
    up.destroy()
    assert up.processes() == []
    assert not up.supervisord.home.run.exists()
    up.up()
    assert up.pid("left")
