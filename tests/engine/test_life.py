"""What the engine does for a stack from its plan to its end."""

import pytest

from tests.engine.conftest import Life

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]


def known(life: Life) -> dict[str, str | None]:
    return {one["urn"]: one.get("id") for one in life.project.state()["deployment"]["resources"]}


def test_a_plan_makes_nothing_and_passes_the_policies(life: Life) -> None:
    assert life.plan.ok, life.plan.said
    assert {operation for operation, *_ in life.plan.changes} == {"create"}


def test_the_first_up_makes_what_was_planned(life: Life) -> None:
    planned = life.plan.changes
    assert life.first.ok, life.first.said
    assert life.first.changes == planned


def test_a_second_up_changes_nothing(life: Life) -> None:
    assert life.second.ok, life.second.said
    assert life.second.changes == set()


def test_a_changed_setting_changes_what_it_says_and_nothing_else(life: Life) -> None:
    expected = {
        "dev": {("update", "Release", "loki"), ("update", "Release", "monitoring")},
        "stage": {("update", "Instance", "modelserve-stage")},
        "prod": {("update", "WebAcl", "modelserve-prod")},
    }
    assert life.edited.ok, life.edited.said
    assert life.edited.changes == expected[life.project.stack]


def test_a_refresh_looks_at_everything_and_finds_it_as_it_was_left(life: Life) -> None:
    assert life.edited.ok, life.edited.said
    before = known(life)
    assert life.refreshed.ok, life.refreshed.said
    assert known(life) == before


def test_neither_state_nor_history_nor_output_holds_a_secret_in_clear(life: Life) -> None:
    assert life.edited.ok, life.edited.said
    secrets = [thing.outputs["result"] for thing in life.project.cloud.things() if "RandomPassword" in thing.type]
    assert secrets
    told = life.project.backend() + life.plan.output + life.first.output + life.edited.output
    assert not [secret for secret in secrets if secret in told]


@pytest.mark.parametrize("life", ["prod"], indirect=True)
def test_the_policies_keep_the_protection_of_prod_on(life: Life) -> None:
    assert not life.unprotected.ok
    assert "data-protected" in life.unprotected.said


def test_nothing_is_left_when_it_is_taken_down(life: Life) -> None:
    assert life.gone.ok, life.gone.said
    assert list(life.project.cloud.things()) == []
    assert life.project.state()["deployment"].get("resources", []) == []
