"""A stack file, copied: the target in it makes it another target's, the region another region's."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings import CHECKOUT
from tests.engine.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def written(stack: str) -> dict[str, Any]:
    return yaml.safe_load((CHECKOUT / f"Pulumi.{stack}.yaml").read_text())["config"]


def tell(project: Project, told: dict[str, Any]) -> None:
    file = project.root / f"Pulumi.{project.stack}.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | told))


@pytest.mark.parametrize(("copied", "target", "held_like"), [("dev", "aws", "stage"), ("stage", "kind", "dev")])
def test_a_copied_stack_goes_to_another_target_by_its_name_alone(
    tmp_path: Path, cluster: str, copied: str, target: str, held_like: str
) -> None:
    project = Project(tmp_path, "mine", cluster)
    # What AWS must be told, an account for example, is in a section of its own, which other targets leave alone.
    told = {"config": written("stage") | written(copied) | {"modelserve:target": target}}
    tell(project, told)
    plan = project.preview(held_like)
    assert plan.ok, plan.said
    kinds = {kind for _, kind, _ in plan.changes}
    assert "InferenceService" in kinds
    assert ("NodeGroup" in kinds) == (target == "aws")


def test_a_second_region_is_the_first_ones_file_with_another_region_and_network(tmp_path: Path, cluster: str) -> None:
    project = Project(tmp_path, "prod-us", cluster)
    zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
    there = {"region": "us-east-1", "zones": zones, "cidr": "10.40.0.0/16", "avoid": ["10.20.0.0/16"]}
    prod = written("prod")
    tell(project, {"config": prod | {"modelserve:aws": prod["modelserve:aws"] | there}})
    plan = project.preview("prod")
    assert plan.ok, plan.said
    assert {("create", "Record", "modelserve-prod-us"), ("create", "HealthCheck", "modelserve-prod-us")} <= plan.changes
