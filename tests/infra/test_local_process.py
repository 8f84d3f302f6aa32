"""What an app's process is made of, and what counts as another one."""

from typing import Any

import pulumi
import pytest

from infra.local.home import Home, LocalError
from infra.local.process import Process, ProcessArgs, ProcessProvider
from infra.local.supervisor import Supervisor, SupervisorArgs
from infra.local.supervisord import Program, Supervisord
from tests.recorder import Recorder

PROCESS = "pulumi-python:dynamic/local:Process"
SUPERVISOR = "pulumi-python:dynamic/local:Supervisor"

TOLD: dict[str, Any] = {
    "home": "/home/of/nobody",
    "name": "app",
    "command": ["serve"],
    "environment": {"A": "1"},
    "directory": "/",
    "revision": "1",
    "workers": 1.0,
    "ready_path": "/ready",
    "ready_timeout_s": 60.0,
    "drain_s": 30.0,
    "state": "RUNNING",
}


def program() -> pulumi.Output[str]:
    home = Supervisor("supervisor", SupervisorArgs("/home/of/nobody")).home
    Process("app", ProcessArgs(home, ("serve",), "1", "/", {"A": pulumi.Output.from_input("1")}))
    return home


def test_a_process_is_told_where_to_listen_but_not_on_which_port() -> None:
    recorder = Recorder()
    recorder.run(program)
    environment = recorder.only(PROCESS)["environment"]
    assert environment == {"A": "1", "HOST": "127.0.0.1"}


def test_the_providers_state_is_a_name_and_no_secret() -> None:
    recorder = Recorder()
    recorder.run(program)
    for made in (PROCESS, SUPERVISOR):
        provider = recorder.only(made)["__provider"]
        assert isinstance(provider, str)
        assert len(provider) < 200


@pytest.mark.parametrize(
    ("changed", "value"),
    [("command", ["other"]), ("environment", {"A": "2"}), ("revision", "2"), ("workers", 2.0), ("drain_s", 5.0)],
)
def test_what_runs_differently_is_started_beside_the_old_one(changed: str, value: Any) -> None:
    told = ProcessProvider().diff("app-0a1b2c3d", {**TOLD, "ports": [20000.0]}, {**TOLD, changed: value})
    assert told.replaces == [changed]
    assert told.delete_before_replace is False


def test_patience_is_no_reason_to_roll() -> None:
    told = ProcessProvider().diff("app-0a1b2c3d", {**TOLD, "ports": [20000.0]}, {**TOLD, "ready_timeout_s": 5.0})
    assert told.changes
    assert not told.replaces


def test_a_process_that_is_gone_is_mended_in_place() -> None:
    told = ProcessProvider().diff("app-0a1b2c3d", {**TOLD, "ports": [20000.0]}, TOLD)
    assert told.changes
    assert not told.replaces


def test_a_process_that_nobody_knows_is_gone_for_a_refresh() -> None:
    assert not ProcessProvider().read("app-0a1b2c3d", {**TOLD, "ports": [20000.0], "restarts": 0.0}).id


def test_workers_follow_the_ports() -> None:
    assert Program("app", ("serve",), ports=(1, 2, 3)).workers == 3
    assert Program("app", ("serve",)).workers == 1


def test_no_supervisor_is_no_error_until_something_is_asked_of_it() -> None:
    supervisord = Supervisord(Home("/home/of/nobody"))
    assert not supervisord.alive()
    with pytest.raises(LocalError, match="No supervisor answers"):
        supervisord.call("getState")
