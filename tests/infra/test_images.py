"""The apps' image: built once for a content, pushed where nodes find it, with no token left behind."""

import base64
import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra import images
from infra.build_context import BuildContext
from infra.images import ImageProvider, Images, ImagesArgs, Lock, lock_of
from infra.local.home import LocalError
from infra.serving.spec import ServingSpec
from tests.infra.kind.machine import Machine
from tests.recorder import Recorder

IMAGE = "pulumi-python:dynamic/index:Image"
HERE = "localhost:5001/modelserve:1f"
ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/models/apps:1f"


def told(reference: str = HERE, platform: str = "", lock: str = "serve") -> dict[str, Any]:
    return {"reference": reference, "platform": platform, "lock": lock}


def created(reference: str = HERE, platform: str = "") -> dict[str, Any]:
    return ImageProvider().create(told(reference, platform)).outs or {}


def stack(platform: str = "") -> pulumi.Output[Any]:
    return references(platform, detector="serve", classifier="serve")


def references(platform: str = "", **locks: Lock) -> pulumi.Output[Any]:
    made = Images("images", ImagesArgs("registry.example/models", locks, platform))
    return pulumi.Output.all(**made.references)


def test_nodes_are_told_tag_and_digest(machine: Machine) -> None:
    assert created()["pinned"] == f"{HERE}@{machine.state()['images'][HERE]}"


def test_what_the_registry_has_is_not_built_again(machine: Machine) -> None:
    assert created() == created()
    assert len(machine.calls("docker", "buildx", "build")) == 1


def test_it_is_built_from_the_checkout_for_the_asked_platform(machine: Machine) -> None:
    created(platform="linux/amd64")
    (build,) = machine.calls("docker", "buildx", "build")
    assert "--platform=linux/amd64" in build
    assert build[-1] == str(images.CONTEXT.folder)


def test_other_content_is_built_beside_the_old_image(machine: Machine) -> None:
    olds = created()
    other = told("localhost:5001/modelserve:2f")
    assert ImageProvider().diff("image", olds, other).changes
    ImageProvider().update("image", olds, other)
    assert list(machine.state()["images"]) == [HERE, other["reference"]]


def test_the_same_content_is_nothing_to_do(machine: Machine) -> None:
    assert not ImageProvider().diff("image", created(), told()).changes


def test_a_registry_on_this_machine_that_was_made_anew_gets_it_again(machine: Machine) -> None:
    olds = created()
    machine.has(images={})
    assert ImageProvider().diff("image", olds, told()).changes


def test_a_plan_asks_no_registry_in_a_cloud(machine: Machine) -> None:
    assert not ImageProvider().diff("image", {**told(ECR), "pinned": ECR}, told(ECR)).changes
    assert machine.calls() == []


def test_one_that_the_registry_lost_is_told_by_refresh(machine: Machine) -> None:
    outs = created()
    assert ImageProvider().read("image", outs).id == "image"
    machine.has(images={})
    assert ImageProvider().read("image", outs).id is None


def test_a_registry_that_refuses_is_not_taken_for_an_empty_one(machine: Machine) -> None:
    machine.has(denied=True)
    with pytest.raises(LocalError, match=r"cannot be asked:\n.*403 Forbidden"):
        created()
    assert machine.calls("docker", "buildx", "build") == []


def test_a_failed_build_tells_its_end_and_how_to_see_all(machine: Machine) -> None:
    machine.has(broken=True)
    with pytest.raises(
        LocalError, match="did not complete successfully\n  See all of it: docker buildx build"
    ) as error:
        created()
    assert "#1 step" not in str(error.value)


def test_aws_is_asked_for_a_token_of_the_registrys_own_region(machine: Machine) -> None:
    created(ECR)
    assert machine.calls("aws") == [["aws", "ecr", "get-login-password", "--region", "eu-central-1"]]


def test_the_token_is_in_a_private_file_that_goes_with_the_build(machine: Machine) -> None:
    outs = created(ECR)
    seen = machine.state()["signed_in"]
    entry = seen["config"]["auths"][ECR.split("/", maxsplit=1)[0]]["auth"]
    assert base64.b64decode(entry) == b"AWS:t0ken"
    assert seen["mode"] == 0o600
    assert not Path(seen["at"]).exists()
    assert "t0ken" not in json.dumps([outs, machine.state()["calls"]])


def test_the_users_own_configuration_of_docker_stays_as_it_is(machine: Machine, tmp_path: Path) -> None:
    own = tmp_path / ".docker" / "config.json"
    own.parent.mkdir()
    own.write_text(json.dumps({"credsStore": "desktop", "currentContext": "colima"}))
    created(ECR)
    assert json.loads(own.read_text()) == {"credsStore": "desktop", "currentContext": "colima"}
    assert machine.state()["signed_in"]["config"]["currentContext"] == "colima"
    assert "credsStore" not in machine.state()["signed_in"]["config"]


def test_who_has_a_credential_helper_for_the_registry_needs_no_token(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    helpers = {"credHelpers": {ECR.split("/", maxsplit=1)[0]: "ecr-login"}}
    (tmp_path / ".docker" / "config.json").write_text(json.dumps(helpers))
    created(ECR)
    assert machine.calls("aws") == []


def test_who_is_not_signed_in_is_told_so(machine: Machine) -> None:
    machine.has(signed_out=True)
    with pytest.raises(LocalError, match=r"session .* has expired\.\n  Sign in first"):
        created(ECR)


def test_a_registry_on_this_machine_asks_nobody(machine: Machine) -> None:
    created()
    assert machine.calls("aws") == []


def test_all_apps_run_in_one_image() -> None:
    registry = Recorder()
    registry.run(stack)
    assert registry.only(IMAGE)["reference"].startswith("registry.example/models:")


def test_an_app_with_a_gpu_runs_in_an_image_of_its_own() -> None:
    registry = Recorder()
    registry.run(lambda: references(detector="serve", classifier="gpu"))
    images = {name: inputs for kind, name, inputs in registry.resources if kind == IMAGE}
    assert {name: inputs["lock"] for name, inputs in images.items()} == {"images": "serve", "images-gpu": "gpu"}
    assert len({inputs["reference"] for inputs in images.values()}) == 2


@pytest.mark.parametrize(
    ("asked", "lock"),
    [
        ({}, "serve"),
        ({"resources": {"gpu": 1}}, "gpu"),
        ({"resources": {"gpu": 0.5}, "runs_on": "ray", "image": "registry.example/ray:1"}, "serve"),
    ],
)
def test_only_an_app_that_asks_for_a_gpu_and_has_no_image_needs_pytorch(asked: dict[str, Any], lock: Lock) -> None:
    assert lock_of(ServingSpec.model_validate({"name": "echo", "summary": "", "command": ["serve"], **asked})) == lock


def test_it_is_built_with_the_packages_that_it_was_asked_for(machine: Machine) -> None:
    ImageProvider().create(told(lock="gpu"))
    (build,) = machine.calls("docker", "buildx", "build")
    assert "--build-arg=LOCK=gpu" in build


def test_the_tag_is_that_of_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dockerignore").touch()
    (tmp_path / "Dockerfile").write_text("FROM x")
    monkeypatch.setattr(images, "CONTEXT", BuildContext(tmp_path, "Dockerfile"))
    first, second, third = Recorder(), Recorder(), Recorder()
    first.run(stack)
    second.run(stack)
    (tmp_path / "code.py").touch()
    third.run(stack)
    tags = [each.only(IMAGE)["reference"] for each in (first, second, third)]
    assert tags[0] == tags[1] != tags[2]
