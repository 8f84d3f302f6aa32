"""A Kind cluster: made once, told from those of others, joined to its registry, and gone without a trace."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.kind.cluster import ClusterProvider
from infra.kind.registry import RegistryProvider
from infra.local import ports
from infra.local.home import LocalError
from tests.infra.kind.machine import Machine

NODE = "models-control-plane"
HOSTS = "cp /dev/stdin /etc/containerd/certs.d/localhost:5001/hosts.toml"


def told(machine: Machine, **more: Any) -> dict[str, Any]:
    """A cluster's inputs, with its registry there."""
    registry = {"owner": str(machine.folder), "name": "models-registry", "port": 5001.0, "image": "registry:3"}
    made = (RegistryProvider().create(registry).outs or {})["made"]
    cluster = {"folder": str(machine.folder), "name": "models", "image": "kindest/node:v1", "published": {}}
    return cluster | {"registry": "models-registry", "made": made, "port": 5001.0} | more


def created(machine: Machine, **more: Any) -> dict[str, Any]:
    return ClusterProvider().create(told(machine, **more)).outs or {}


def interrupted(machine: Machine) -> None:
    """A run that was killed while Kind was at it."""
    props = told(machine)
    machine.has(killed=True)
    program = f"from infra.kind.cluster import ClusterProvider; ClusterProvider().create({props!r})"
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == -9
    assert NODE in machine.containers


def test_it_is_made_as_asked_and_listens_on_this_machine_alone(machine: Machine) -> None:
    (port,) = ports.choose(1, start=os.getpid(), taken=())
    created(machine, published={str(port): 30080.0})
    config = yaml.safe_load(machine.state()["config"])
    mapping = {"listenAddress": "127.0.0.1", "hostPort": port, "containerPort": 30080}
    assert config["nodes"] == [
        {"role": "control-plane", "image": "kindest/node:v1", "extraPortMappings": [mapping]},
    ]
    assert config["networking"]["apiServerAddress"] == "127.0.0.1"


def test_its_kubeconfig_is_for_the_user_alone_and_not_in_state(machine: Machine) -> None:
    outs = created(machine)
    kubeconfig = Path(outs["kubeconfig"])
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    assert kubeconfig.read_text().strip() == f"kubeconfig of {outs['node']}"
    assert "kubeconfig of" not in json.dumps(outs)


def test_kind_never_writes_into_the_users_own_kubeconfig(machine: Machine) -> None:
    ClusterProvider().delete("models", created(machine))
    for call in [*machine.calls("kind", "create"), *machine.calls("kind", "delete")]:
        assert call[call.index("--kubeconfig") + 1].startswith(str(machine.folder))


def test_its_nodes_pull_from_the_registry_by_the_name_that_this_machine_pushes_to(machine: Machine) -> None:
    created(machine)
    assert machine.containers[NODE]["files"][HOSTS] == '[host."http://models-registry:5000"]\n'
    assert "kind" in machine.containers["models-registry"]["NetworkSettings"]["Networks"]


def test_the_cluster_tells_tools_which_registry_it_has(machine: Machine) -> None:
    created(machine)
    (applied,) = [text for command, text in machine.containers[NODE]["files"].items() if "apply" in command]
    hosting = yaml.safe_load(yaml.safe_load(applied)["data"]["localRegistryHosting.v1"])
    assert hosting["host"] == "localhost:5001"


def test_one_that_an_interrupted_run_completed_is_taken_over(machine: Machine) -> None:
    assert created(machine)["node"] == created(machine)["node"]
    assert len(machine.calls("kind", "create")) == 1


def test_one_that_an_interrupted_run_left_half_made_is_made_anew(machine: Machine) -> None:
    interrupted(machine)
    half = machine.containers[NODE]["Id"]
    assert created(machine)["node"] != half
    assert len(machine.calls("kind", "delete")) == 1


def test_one_of_somebody_else_is_refused_and_stays(machine: Machine) -> None:
    theirs = created(machine, folder=str(machine.folder / "theirs"))
    with pytest.raises(LocalError, match=r"kind delete cluster --name models\n.*kind\.context: kind-models"):
        created(machine)
    assert machine.containers[NODE]["Id"] == theirs["node"]


def test_when_kind_fails_what_it_said_is_told_and_a_second_try_starts_afresh(machine: Machine) -> None:
    machine.has(broken=True)
    with pytest.raises(LocalError, match="could not find a log line"):
        created(machine)
    machine.has(broken=False)
    assert created(machine)["state"] == "RUNNING"
    assert machine.calls("kind", "delete") == []


def test_a_taken_port_is_named_before_kind_begins(machine: Machine, listener: int) -> None:
    with pytest.raises(LocalError, match=rf"Port {listener} is taken by"):
        created(machine, published={str(listener): 30080.0})
    assert machine.calls("kind", "create") == []


def test_where_kind_is_missing_the_user_is_told_how_to_get_it(machine: Machine) -> None:
    machine.lacks("kind")
    with pytest.raises(LocalError, match=r"kind is not on PATH\.\n  make up STACK=dev"):
        created(machine)


def test_nothing_is_to_do_while_it_runs(machine: Machine) -> None:
    olds = created(machine)
    assert not ClusterProvider().diff("models", olds, told(machine)).changes


@pytest.mark.parametrize(("key", "value"), [("image", "kindest/node:v2"), ("published", {"28080": 30080.0})])
def test_what_kind_decides_at_the_start_takes_another_cluster(machine: Machine, key: str, value: Any) -> None:
    diff = ClusterProvider().diff("models", created(machine), told(machine, **{key: value}))
    assert diff.replaces == [key]
    assert diff.delete_before_replace


def test_a_stopped_one_is_started_and_stays_the_same(machine: Machine) -> None:
    olds = created(machine)
    machine.stop(NODE)
    assert (ClusterProvider().read("models", olds).outs or {})["state"] == "STOPPED"
    diff = ClusterProvider().diff("models", olds, told(machine))
    assert diff.changes
    assert diff.replaces == []
    news = ClusterProvider().update("models", olds, told(machine)).outs or {}
    assert news == olds
    assert machine.containers[NODE]["State"]["Running"]


def test_one_that_is_gone_is_another_one_with_another_kubeconfig(machine: Machine) -> None:
    olds = created(machine)
    machine.has(containers={})
    assert ClusterProvider().read("models", olds).id is None
    assert ClusterProvider().diff("models", olds, told(machine)).replaces
    ClusterProvider().delete("models", olds)
    assert created(machine)["kubeconfig"] != olds["kubeconfig"]


def test_a_registry_that_was_made_anew_is_joined_again(machine: Machine) -> None:
    olds = created(machine)
    containers = machine.containers
    del containers["models-registry"]
    machine.has(containers=containers)
    news = told(machine)
    assert ClusterProvider().diff("models", olds, news).changes
    ClusterProvider().update("models", olds, news)
    assert "kind" in machine.containers["models-registry"]["NetworkSettings"]["Networks"]


def test_it_goes_with_its_files_and_takes_nothing_else(machine: Machine) -> None:
    olds = created(machine)
    ClusterProvider().delete("models", olds)
    assert list(machine.containers) == ["models-registry"]
    assert list(machine.folder.iterdir()) == []


def test_one_that_somebody_made_in_its_place_stays(machine: Machine) -> None:
    olds = created(machine)
    containers = machine.containers
    containers[NODE]["Id"] = "another"
    machine.has(containers=containers)
    ClusterProvider().delete("models", olds)
    assert NODE in machine.containers
