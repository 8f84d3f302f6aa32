"""Models in the bucket that pods read them from, without a cloud."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pulumi
import pytest

from infra.aws.artefacts import Artefacts, ArtefactsArgs
from infra.build_context import BuildContext
from infra.settings import serving_specs
from models.artefact import Artefact
from stacks import aws
from tests.infra.aws.cloud import Cloud
from tests.infra.aws.stack import written as settings_of
from tests.infra.platform.cluster import Watched
from tests.unit.bucket import written

OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
MANIFEST = "ms-toy-1.0.0-artefact.json"
FILES = ("ms-toy-1.0.0-labels.txt", "ms-toy-1.0.0-model.onnx")


class Whole(Watched, Cloud):
    """A recorder with AWS's answers, of what each resource waits for."""


@cache
def made() -> Whole:
    cloud = Whole()
    folder = written(Path(mkdtemp()) / "toy" / "1.0.0")
    cloud.run(lambda: Artefacts("ms", ArtefactsArgs("ms-models", {folder: Artefact.load(folder)}), cloud.opts).urn)
    return cloud


@cache
def stack(name: str) -> Whole:
    cloud = Whole()
    cloud.stack = name
    settings = settings_of(name, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BuildContext, "digest", lambda *_: "0" * 64)
        cloud.run(lambda: aws.deploy(settings, serving_specs(settings, name)))
    return cloud


def test_files_lie_under_model_and_version() -> None:
    assert {one["key"] for one in made().all(OBJECT)} == {
        "toy/1.0.0/artefact.json",
        "toy/1.0.0/labels.txt",
        "toy/1.0.0/model.onnx",
    }


def test_what_is_uploaded_is_the_file_itself() -> None:
    source: pulumi.FileAsset = made().named(OBJECT, FILES[1])["source"]
    assert Path(source.path).read_bytes() == b"weights"


def test_the_manifest_comes_last() -> None:
    for file in FILES:
        assert made().waits((OBJECT, MANIFEST), (OBJECT, file))
        assert not made().waits((OBJECT, file), (OBJECT, MANIFEST))


def test_the_bucket_says_how_they_are_encrypted() -> None:
    for one in made().all(OBJECT):
        assert not one.keys() & {"kmsKeyId", "serverSideEncryption", "acl"}


def test_a_stack_with_many_tags_leaves_objects_without() -> None:
    # An object takes ten.
    assert all(one["overrideProvider"] == {"defaultTags": {"tags": {}}} for one in made().all(OBJECT))


def test_a_version_never_changes_and_outlives_the_release_that_named_it() -> None:
    for opts in made().option(OBJECT):
        assert opts.ignore_changes == ["source"]
        assert opts.retain_on_delete


@pytest.mark.parametrize("name", ["stage", "prod"])
def test_every_app_waits_for_the_models(name: str) -> None:
    whole = stack(name)
    manifests = [(OBJECT, called) for typ, called, _ in whole.resources if typ == OBJECT and called.endswith(".json")]
    assert (OBJECT, f"modelserve-{name}-circle_detector-1.1.0-artefact.json") in manifests
    workloads: list[tuple[str, str]] = [
        (typ, called)
        for typ, called, inputs in whole.resources
        if typ.endswith((":InferenceService", ":Deployment", ":RayService")) and namespace(inputs) == "serving"
    ]
    assert len(workloads) >= 5
    for workload in workloads:
        for manifest in manifests:
            assert whole.waits(workload, manifest), workload


@pytest.mark.parametrize("name", ["stage", "prod"])
def test_models_wait_until_their_bucket_encrypts(name: str) -> None:
    part = f"modelserve-{name}"
    encryption = (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        f"{part}-models",
    )
    assert stack(name).waits((OBJECT, f"{part}-circle_detector-1.1.0-model.onnx"), encryption)


def namespace(inputs: dict[str, Any]) -> str:
    return inputs["metadata"].get("namespace", "")
