"""The registry of a Kind cluster: started once, taken over, never somebody else's."""

from typing import Any

import pytest

from infra.kind.registry import RegistryProvider
from infra.local.home import LocalError
from tests.infra.kind.machine import Machine

NAME = "models-registry"


def told(machine: Machine, **more: Any) -> dict[str, Any]:
    return {"owner": str(machine.folder), "name": NAME, "port": 5001.0, "image": "registry:3@sha256:1", **more}


def created(machine: Machine, **more: Any) -> dict[str, Any]:
    return RegistryProvider().create(told(machine, **more)).outs or {}


def test_only_this_machine_reaches_it(machine: Machine) -> None:
    created(machine)
    assert machine.containers[NAME]["port"] == "127.0.0.1:5001:5000"


def test_one_that_an_interrupted_run_started_is_taken_over(machine: Machine) -> None:
    assert created(machine)["made"] == created(machine)["made"]
    assert len(machine.calls("docker", "run")) == 1


def test_a_container_of_somebody_else_is_refused_and_stays(machine: Machine) -> None:
    created(machine, owner="/another/checkout")
    with pytest.raises(LocalError, match="that this stack did not start"):
        created(machine)
    RegistryProvider().delete(NAME, told(machine))
    assert NAME in machine.containers


def test_a_taken_port_is_named_with_the_setting_and_nothing_is_left(machine: Machine) -> None:
    machine.has(taken=["127.0.0.1:5001:5000"])
    with pytest.raises(LocalError, match=r"Port 5001 is taken by .*\n.*kind.registry_port: 5002"):
        created(machine)
    assert machine.containers == {}


def test_another_port_is_another_container(machine: Machine) -> None:
    olds = created(machine)
    news = RegistryProvider().update(NAME, olds, told(machine, port=5002.0)).outs or {}
    assert machine.containers[NAME]["port"] == "127.0.0.1:5002:5000"
    assert news["made"] != olds["made"]


def test_nothing_is_to_do_while_it_runs(machine: Machine) -> None:
    assert not RegistryProvider().diff(NAME, created(machine), told(machine)).changes


def test_one_that_stopped_is_told_by_refresh_and_started_by_up(machine: Machine) -> None:
    olds = created(machine)
    machine.stop(NAME)
    assert (RegistryProvider().read(NAME, olds).outs or {})["state"] == "STOPPED"
    assert RegistryProvider().diff(NAME, olds, told(machine)).changes
    RegistryProvider().update(NAME, olds, told(machine))
    assert machine.containers[NAME]["State"]["Running"]
    assert len(machine.calls("docker", "run")) == 1


def test_one_that_is_gone_is_told_by_refresh(machine: Machine) -> None:
    olds = created(machine)
    machine.has(containers={})
    assert RegistryProvider().read(NAME, olds).id is None


def test_it_goes_with_its_images(machine: Machine) -> None:
    RegistryProvider().delete(NAME, created(machine))
    assert machine.calls("docker", "rm") == [["docker", "rm", "--force", "--volumes", NAME]]


def test_where_there_is_no_docker_the_user_is_told_to_install_it(machine: Machine) -> None:
    machine.lacks("docker")
    with pytest.raises(LocalError, match=r"docker is not on PATH\.\n  Install Docker"):
        created(machine)


def test_where_docker_does_not_run_the_user_is_told_to_start_it(machine: Machine) -> None:
    machine.has(down=True)
    with pytest.raises(LocalError, match=r"Docker does not answer\.\n  Start it"):
        created(machine)
