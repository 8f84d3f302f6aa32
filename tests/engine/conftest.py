"""Stacks under the real engine; each runs once a session, and tests look at what happened."""

from collections.abc import Iterator
from functools import cached_property

import pytest

from tests.engine.cluster import empty_cluster
from tests.engine.project import Project, Run
from toolchain.setup import ensure_policies

EDITS = {
    "dev": ("platform.retention_days", 30),
    "stage": ("aws.database.max_storage_gib", 150),
    "prod": ("aws.requests_per_minute", 900),
}
"""One setting of each stack, and another value for it."""


class Life:
    """A stack from its plan to its end. Each part runs when a test asks for it, after those before it."""

    def __init__(self, project: Project) -> None:
        self.project = project

    @cached_property
    def plan(self) -> Run:
        """A preview of the new stack."""
        return self.project.preview()

    @cached_property
    def first(self) -> Run:
        """The first ``up``."""
        assert self.plan.ok, self.plan.said
        return self.project.up("--skip-preview")

    @cached_property
    def second(self) -> Run:
        """Another ``up`` of the same."""
        assert self.first.ok, self.first.said
        return self.project.up("--skip-preview")

    @cached_property
    def edited(self) -> Run:
        """``up`` with one setting changed."""
        assert self.second.ok, self.second.said
        self.project.configure(*EDITS[self.project.stack])
        return self.project.up("--skip-preview")

    @cached_property
    def refreshed(self) -> Run:
        """``refresh``, nobody having touched anything."""
        assert self.edited.ok, self.edited.said
        return self.project.refresh()

    @cached_property
    def unprotected(self) -> Run:
        """``up`` with protection switched off."""
        assert self.refreshed.ok, self.refreshed.said
        self.project.configure("aws.protected", False)
        return self.project.up("--skip-preview")

    @cached_property
    def gone(self) -> Run:
        """``destroy``; what is protected is opened before, by somebody who holds it to less."""
        if self.project.stack == "prod":
            assert not self.unprotected.ok
            opened = self.project.up("--skip-preview", held_like="stage")
            assert opened.ok, opened.said
        assert self.refreshed.ok, self.refreshed.said
        return self.project.destroy()


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """Where the API of the stacks' cluster answers."""
    ensure_policies()
    with empty_cluster() as address:
        yield address


@pytest.fixture(scope="session", params=["dev", "stage", "prod"])
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cluster: str) -> Life:
    """The life of each stack."""
    return Life(Project(tmp_path_factory.mktemp(request.param), request.param, cluster))


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory, cluster: str) -> Project:
    """A fresh stack ``stage`` with as little on its cluster as it can have, for a test that spoils it."""
    project = Project(tmp_path_factory.mktemp("stage"), "stage", cluster)
    for part in ("kubeflow", "kuberay", "mlflow", "logs", "tracing"):
        project.configure(f"platform.components.{part}", False)
    return project
