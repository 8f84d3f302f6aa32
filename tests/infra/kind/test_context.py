"""A cluster that was there before: its part of the kubeconfig is copied, and it is left as it was."""

from pathlib import Path
from typing import Any

import pytest

from infra.kind.context import ContextProvider
from infra.local.home import LocalError
from tests.infra.kind import test_cluster
from tests.infra.kind.machine import Machine


def told(machine: Machine, context: str = "kind-mine") -> dict[str, Any]:
    """A context's inputs, with a Kind cluster that somebody made."""
    if "mine-control-plane" not in machine.containers:
        test_cluster.created(machine, name="mine", folder=str(machine.folder / "theirs"))
    return {**test_cluster.told(machine), "context": context}


def created(machine: Machine, context: str = "kind-mine") -> dict[str, Any]:
    return ContextProvider().create(told(machine, context)).outs or {}


def test_the_copy_is_for_the_user_alone_and_not_in_state(machine: Machine) -> None:
    outs = created(machine)
    copy = Path(outs["kubeconfig"])
    assert copy.stat().st_mode & 0o777 == 0o600
    assert "s3cret" in copy.read_text()
    assert "s3cret" not in str(outs)


def test_its_nodes_pull_from_the_registry(machine: Machine) -> None:
    created(machine)
    assert test_cluster.HOSTS in machine.containers["mine-control-plane"]["files"]


def test_a_context_that_the_kubeconfig_lacks_is_refused_with_those_it_has(machine: Machine) -> None:
    with pytest.raises(LocalError, match=r"kind\.context is kind-yours, .*\n  It has kind-mine, office\."):
        created(machine, "kind-yours")


def test_a_cluster_that_cannot_pull_from_this_machine_is_refused(machine: Machine) -> None:
    with pytest.raises(LocalError, match="its nodes cannot pull the images that are built here"):
        created(machine, "office")


def test_nothing_is_to_do_while_the_context_names_the_same_server(machine: Machine) -> None:
    assert not ContextProvider().diff("mine", created(machine), told(machine)).changes


def test_the_cluster_stays_when_its_resource_goes(machine: Machine) -> None:
    outs = created(machine)
    begun = len(machine.calls())
    ContextProvider().delete("mine", outs)
    assert not Path(outs["kubeconfig"]).exists()
    assert len(machine.calls()) == begun
    assert "mine-control-plane" in machine.containers
