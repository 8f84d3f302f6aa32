"""The image repositories, without a cloud: what they are, and what they must not be."""

import json
from functools import cache

from infra.aws.registry import Registry, RegistryArgs
from tests.infra.aws.cloud import Cloud

REPOSITORY = "aws:ecr/repository:Repository"


@cache
def made(protected: bool = True) -> Cloud:
    cloud = Cloud()
    cloud.run(
        lambda: Registry("ms", RegistryArgs(("images", "ner"), "arn:key", 50, protected), cloud.opts).urls["images"]
    )
    return cloud


def test_every_app_has_a_repository() -> None:
    assert {r["name"] for r in made().all(REPOSITORY)} == {"ms/images", "ms/ner"}


def test_a_tag_never_moves() -> None:
    assert {r["imageTagMutability"] for r in made().all(REPOSITORY)} == {"IMMUTABLE"}


def test_every_image_is_scanned_when_it_comes_in() -> None:
    assert all(r["imageScanningConfiguration"]["scanOnPush"] for r in made().all(REPOSITORY))


def test_images_rest_under_our_key() -> None:
    assert [r["encryptionConfigurations"] for r in made().all(REPOSITORY)] == [
        [{"encryptionType": "KMS", "kmsKey": "arn:key"}]
    ] * 2


def test_old_images_go_but_a_rollback_still_finds_its_own() -> None:
    policy = json.loads(made().all("aws:ecr/lifecyclePolicy:LifecyclePolicy")[0]["policy"])
    untagged, oldest = policy["rules"]
    assert untagged["selection"]["tagStatus"] == "untagged"
    assert oldest["selection"]["countNumber"] == 50


def test_a_protected_repository_is_not_deleted_with_its_images() -> None:
    assert not any(r["forceDelete"] for r in made().all(REPOSITORY))
    assert all(options.protect for options in made().option(REPOSITORY))


def test_an_unprotected_one_leaves_nothing_behind() -> None:
    assert all(r["forceDelete"] for r in made(protected=False).all(REPOSITORY))
