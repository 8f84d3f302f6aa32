"""What is stopped before it does harm, and what a half-finished run leaves."""

import pytest

from tests.engine.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

OPEN_DATABASE = """
from pulumi_aws import rds
rds.Instance("open", instance_class="db.t4g.small", engine="postgres", allocated_storage=20, publicly_accessible=True,
    storage_encrypted=True, kms_key_id="arn:aws:kms:eu-central-1:123456789012:key/k", skip_final_snapshot=True)
"""


def test_a_public_database_stops_up_before_anything_is_made(stage: Project) -> None:
    stage.add(OPEN_DATABASE)
    run = stage.up()
    assert not run.ok
    assert "database-not-public" in run.said
    assert list(stage.cloud.things()) == []


def test_a_wrong_setting_is_refused_before_any_resource_is_planned(stage: Project) -> None:
    stage.configure("aws.database.storage_gib", "plenty")
    run = stage.preview()
    assert not run.ok
    assert "modelserve:aws.database.storage_gib" in run.said
    assert {kind for _, kind, _ in run.changes} <= {"Stack"}
    assert "Traceback" not in run.said


def test_a_stand_in_makes_nothing_for_anybody_but_tests(stage: Project) -> None:
    run = stage.up_outside_tests()
    assert not run.ok
    assert "is a stand-in for tests and previews" in run.said
    assert list(stage.cloud.things()) == []


@pytest.mark.parametrize("fate", ["fails", "dies"])
def test_up_goes_on_where_one_that_was_cut_short_ended(stage: Project, fate: str) -> None:
    stage.break_making(**{"modelserve-stage-coredns": fate})
    cut = stage.up("--skip-preview")
    assert not cut.ok
    made = {(thing.type, thing.id) for thing in stage.cloud.things()}
    assert made
    stage.break_making()
    healed = stage.up("--skip-preview")
    assert healed.ok, healed.said
    assert made < {(thing.type, thing.id) for thing in stage.cloud.things()}
