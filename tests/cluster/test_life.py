"""The stack ``dev`` under the real engine, on a real Kubernetes API: what it makes, changes and leaves behind."""

import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pytest

from tests.cluster.api import MANAGER, Api, Manifest, named
from tests.cluster.apiserver import running
from tests.engine.project import Project, Run
from tests.providers.kubernetes import CLUSTER
from toolchain.setup import ensure_policies

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


class Life:
    """The stack from its first ``up`` to its end. Each part runs when a test asks for it, after those before it.

    Attributes:
        api: of the cluster.
    """

    def __init__(self, project: Project, api: Api) -> None:
        self.project, self.api = project, api

    @cached_property
    def first(self) -> Run:
        """The first ``up``."""
        return self.project.up("--skip-preview")

    @cached_property
    def objects(self) -> list[Manifest]:
        """What the first ``up`` asked the cluster for."""
        assert self.first.ok, self.first.said
        resources = self.project.state()["deployment"]["resources"]
        asked = [one["inputs"] for one in resources if one["type"].startswith("kubernetes:")]
        return [one for one in asked if {"apiVersion", "kind"} <= one.keys()]

    @cached_property
    def second(self) -> Run:
        """Another ``up`` of the same."""
        assert self.objects
        return self.project.up("--skip-preview")

    @cached_property
    def edited(self) -> Run:
        """``up`` with one setting of one app changed."""
        assert self.second.ok, self.second.said
        self.project.configure("apps.classifier.scaling.max", 5)
        return self.project.up("--skip-preview")

    @cached_property
    def mended(self) -> Run:
        """``up`` that looks first, after somebody has removed a Service by hand."""
        assert self.edited.ok, self.edited.said
        self.api.delete(self.live("Service", "serving", "classifier"))
        return self.project.up("--skip-preview", "--refresh")

    @cached_property
    def gone(self) -> Run:
        """``destroy``."""
        assert self.mended.ok, self.mended.said
        return self.project.destroy()

    def live(self, kind: str, namespace: str, name: str) -> Manifest:
        """An object as it is now."""
        version = next(one["apiVersion"] for one in self.objects if one["kind"] == kind)
        place = {"name": name, "namespace": namespace}
        found = self.api.read({"apiVersion": version, "kind": kind, "metadata": place})
        assert found, f"no {kind} {namespace}/{name}"
        return found


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """A new stack on a new cluster."""
    ensure_policies()
    with (
        tempfile.TemporaryDirectory(prefix="kube") as folder,
        running(Path(folder)) as api,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(CLUSTER, str(api.kubeconfig))
        # Its cluster is Kind's only by name, and answers at once.
        yield Life(Project(tmp_path_factory.mktemp("dev"), "dev", cluster=""), api)


def test_the_first_up_makes_every_object(life: Life) -> None:
    assert len(life.objects) > 200
    assert not [named(one) for one in life.objects if life.api.read(one) is None]


def test_the_objects_are_managed_by_us(life: Life) -> None:
    for one in life.objects:
        found = life.api.read(one)
        assert found
        assert MANAGER in {entry["manager"] for entry in found["metadata"]["managedFields"]}, named(one)


def test_a_second_up_changes_nothing(life: Life) -> None:
    assert life.second.ok, life.second.said
    assert life.second.changes == set()


def test_a_changed_setting_changes_what_it_says_and_nothing_else(life: Life) -> None:
    assert life.edited.ok, life.edited.said
    # Its InferenceService tells KServe the same.
    expected = {("update", kind, "classifier-stable") for kind in ("HorizontalPodAutoscaler", "InferenceService")}
    assert life.edited.changes == expected
    assert life.live("HorizontalPodAutoscaler", "serving", "classifier-stable")["spec"]["maxReplicas"] == 5


def test_what_somebody_removed_by_hand_is_made_again_and_nothing_else(life: Life) -> None:
    assert life.mended.ok, life.mended.said
    assert life.mended.changes == {("create", "Service", "classifier")}
    assert life.live("Service", "serving", "classifier")


def test_neither_state_nor_history_nor_output_holds_a_secret_in_clear(life: Life) -> None:
    assert life.edited.ok, life.edited.said
    secrets = [one for one in life.objects if one["kind"] == "Secret"]
    values = {value for one in secrets for value in (life.api.read(one) or {}).get("data", {}).values()}
    long = {value for value in values if len(value) > 24}
    told = life.project.backend() + life.first.output + life.edited.output
    assert long
    assert not [value for value in long if value in told]


def test_nothing_is_left_when_it_is_taken_down(life: Life) -> None:
    assert life.gone.ok, life.gone.said
    assert not [named(one) for one in life.objects if life.api.read(one)]
    namespaces = life.api.http.get("/api/v1/namespaces").json()["items"]
    assert {one["metadata"]["name"] for one in namespaces} == {
        "default",
        "kube-node-lease",
        "kube-public",
        "kube-system",
    }
