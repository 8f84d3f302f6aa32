"""What GitHub runs, beyond what actionlint and zizmor see; and what Renovate can see of our versions."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import versions

CHECKOUT = Path(__file__).parents[2]
FOLDER = CHECKOUT / ".github" / "workflows"
WORKFLOWS = sorted(file.stem for file in FOLDER.glob("*.yaml"))


def workflow(name: str) -> dict[Any, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in workflow(name)["jobs"].values():
        yield from job.get("steps", [])


def renovate() -> dict[str, Any]:
    return json.loads((CHECKOUT / ".github" / "renovate.json").read_text())


def matched(file: str) -> list[dict[str, str]]:
    """What the custom managers of a file find in it."""
    text = (CHECKOUT / file).read_text()
    managers = [each for each in renovate()["customManagers"] if re.search(each["managerFilePatterns"][0][1:-1], file)]
    patterns = [pattern.replace("(?<", "(?P<") for manager in managers for pattern in manager["matchStrings"]]
    return [found.groupdict() for pattern in patterns for found in re.finditer(pattern, text)]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_job_hangs_for_ever(name: str) -> None:
    for job in workflow(name)["jobs"].values():
        assert "uses" in job or job["timeout-minutes"] <= 180


@pytest.mark.parametrize("name", WORKFLOWS)
def test_aws_is_reached_without_a_stored_key(name: str) -> None:
    assert "secrets." not in (FOLDER / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_job_may_do_only_what_it_names(name: str) -> None:
    told = workflow(name)
    assert told["permissions"] == {}
    for job in told["jobs"].values():
        assert job["permissions"]


def test_a_fork_gets_no_role() -> None:
    job = workflow("preview")["jobs"]["preview"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]


def test_the_job_that_has_the_role_cannot_write_to_the_repository() -> None:
    assert workflow("preview")["jobs"]["preview"]["permissions"] == {"contents": "read", "id-token": "write"}


def test_every_stack_is_previewed_with_a_role_and_without() -> None:
    jobs = workflow("preview")["jobs"]
    beside, alone = map(json.loads, re.findall(r"'(\[.*?\])'", jobs["plan"]["strategy"]["matrix"]["stack"]))
    stacks = {file.suffixes[0][1:] for file in CHECKOUT.glob("Pulumi.*.yaml")}
    assert set(alone) == stacks
    assert {*beside, *jobs["preview"]["strategy"]["matrix"]["stack"]} == stacks


def test_what_everybody_may_start_has_no_role_and_no_runner_of_ours() -> None:
    plan = workflow("preview")["jobs"]["plan"]
    assert plan["permissions"] == {"contents": "read"}
    assert plan["runs-on"] == "ubuntu-24.04"
    assert not any("aws-actions" in step.get("uses", "") for step in plan["steps"])


def test_plans_of_all_stacks_fit_into_a_comment() -> None:
    (comment,) = workflow("preview")["jobs"]["comment"]["steps"][1:]
    (kept,) = re.findall(r"tail --bytes (\d+)", comment["run"])
    stacks = len(list(CHECKOUT.glob("Pulumi.*.yaml")))
    assert stacks * (int(kept) + 500) < 65536


def test_prod_comes_after_stage_and_stage_after_the_checks() -> None:
    jobs = workflow("deploy")["jobs"]
    assert jobs["prod"]["needs"] == "stage"
    assert jobs["stage"]["needs"] == "ci"
    assert jobs["ci"]["uses"] == "./.github/workflows/ci.yaml"


def test_a_deployment_is_never_cut_off() -> None:
    assert workflow("deploy")["concurrency"]["cancel-in-progress"] is False


def test_a_deployment_goes_through_the_gate_with_a_way_back() -> None:
    (gate,) = [step for step in steps("deploy-stack") if "modelserve deploy" in step.get("run", "")]
    assert '--previous "$PREVIOUS"' in gate["run"]
    (checkout,) = [step for step in steps("deploy-stack") if step.get("uses", "").startswith("actions/checkout")]
    assert checkout["with"]["fetch-depth"] == 0


def test_every_lock_of_python_packages_is_scanned() -> None:
    (scan,) = [step for step in steps("ci") if "osv-scanner" in step.get("uses", "")]
    scanned = set(re.findall(r"locks/(\w+)\.txt", scan["with"]["scan-args"]))
    bootstrap = {"uv", "go", "build", "etcd"}
    assert scanned == {file.stem for file in (CHECKOUT / "toolchain" / "locks").glob("*.txt")} - bootstrap


def test_renovate_sees_every_version_that_asks_for_it() -> None:
    asked = re.findall(r"# renovate:.* depName=(\S+)", (CHECKOUT / "infra" / "versions.py").read_text())
    assert asked
    assert sorted(each["depName"] for each in matched("infra/versions.py")) == sorted(asked)


def test_renovate_sees_digests_beside_versions() -> None:
    (registry,) = [each for each in matched("infra/versions.py") if each["depName"] == "registry"]
    assert f"registry:{registry['currentValue']}@{registry['currentDigest']}" == versions.REGISTRY_IMAGE


def test_renovate_asks_for_addons_of_the_clusters_own_minor() -> None:
    (manager,) = [each for each in renovate()["customManagers"] if "packageNameTemplate" in each]
    assert json.loads(manager["packageNameTemplate"])["kubernetesVersion"] == versions.EKS
