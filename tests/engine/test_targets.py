"""A stack file of one target, copied: the target in it is all that makes it another's."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings import CHECKOUT
from tests.engine.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def written(stack: str) -> dict[str, Any]:
    return yaml.safe_load((CHECKOUT / f"Pulumi.{stack}.yaml").read_text())["config"]


@pytest.mark.parametrize(("copied", "target", "held_like"), [("dev", "aws", "stage"), ("stage", "kind", "dev")])
def test_a_copied_stack_goes_to_another_target_by_its_name_alone(
    tmp_path: Path, cluster: str, copied: str, target: str, held_like: str
) -> None:
    project = Project(tmp_path, "mine", cluster)
    # What AWS must be told, an account for example, is in a section of its own, which other targets leave alone.
    told = {"config": written("stage") | written(copied) | {"modelserve:target": target}}
    file = project.root / "Pulumi.mine.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | told))
    plan = project.preview(held_like)
    assert plan.ok, plan.said
    kinds = {kind for _, kind, _ in plan.changes}
    assert "InferenceService" in kinds
    assert ("NodeGroup" in kinds) == (target == "aws")
