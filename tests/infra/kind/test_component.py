"""What a stack gets when it asks for a cluster."""

import pulumi
import pytest

from infra.kind.cluster import Cluster, ClusterArgs
from infra.validation import SettingsError
from tests.recorder import Recorder

CLUSTER = "pulumi-python:dynamic/kind:Cluster"
REGISTRY = "pulumi-python:dynamic/kind:Registry"
CONTEXT = "pulumi-python:dynamic/kind:Context"


def cluster(kubernetes: str = "1.35", context: str | None = None) -> pulumi.Output[str]:
    return Cluster("models", ClusterArgs("/files", kubernetes, 5001, {8080: 30080}, context)).registry


def test_images_are_pushed_to_the_registry_on_this_machine() -> None:
    assert Recorder().run(cluster) == "localhost:5001/modelserve"


def test_the_nodes_run_the_asked_kubernetes_pinned_by_content() -> None:
    machine = Recorder()
    machine.run(lambda: cluster("1.34"))
    image = machine.only(CLUSTER)["image"]
    assert image.startswith("kindest/node:v1.34.")
    assert "@sha256:" in image


def test_the_registry_is_pinned_by_content_and_belongs_to_the_stack() -> None:
    machine = Recorder()
    machine.run(cluster)
    registry = machine.only(REGISTRY)
    assert "@sha256:" in registry["image"]
    assert registry["owner"] == "/files"


def test_with_a_context_no_cluster_is_made() -> None:
    machine = Recorder()
    machine.run(lambda: cluster(context="kind-mine"))
    assert machine.none(CLUSTER)
    assert machine.only(CONTEXT)["context"] == "kind-mine"


def test_a_kubernetes_without_a_node_image_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(SettingsError, match=r"kind\.kubernetes is 1\.20.*\n  Allowed: 1\.34, 1\.35\."):
        cluster("1.20")
