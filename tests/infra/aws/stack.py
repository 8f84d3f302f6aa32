"""The AWS stack, run with settings of a test's choice: what it makes, and what another run makes differently."""

import json
from functools import cache
from typing import Any

import pulumi
import pytest
import yaml

from infra.build_context import BuildContext
from infra.settings import CHECKOUT, Settings, parse, serving_specs
from infra.settings.tree import merge
from stacks import aws, cluster
from tests.infra.aws.cloud import Cloud

Inputs = dict[tuple[str, str], dict[str, Any]]


def written(stack: str, changes: dict[str, Any], name: str | None = None) -> Settings:
    config = yaml.safe_load((CHECKOUT / f"Pulumi.{stack}.yaml").read_text())["config"]
    told = merge(config["modelserve:aws"], changes)
    return parse({"modelserve:target": "aws", "modelserve:aws": json.dumps(told)}, name or stack)


def program(stack: str, changes: dict[str, Any] | None = None, name: str | None = None) -> Cloud:
    """What AWS is asked for, the cluster left empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "deploy", lambda *_: {})
        return whole(stack, changes, name)


def whole(stack: str, changes: dict[str, Any] | None = None, name: str | None = None) -> Cloud:
    """Everything; ``name`` is another stack's, whose file is a copy of this one's."""
    cloud = Cloud(name or stack)
    settings = written(stack, changes or {}, name)
    with pytest.MonkeyPatch.context() as patch:
        # Reading the whole checkout for the image's tag is another test's business.
        patch.setattr(BuildContext, "digest", lambda *_: "0" * 64)
        cloud.run(lambda: aws.deploy(settings, serving_specs(settings, name or stack)))
    return cloud


@cache
def as_written(stack: str) -> Cloud:
    return program(stack)


@cache
def whole_as_written(stack: str) -> Cloud:
    return whole(stack)


def made(cloud: Cloud) -> Inputs:
    return {(typ, name): inputs for typ, name, inputs in cloud.resources if not typ.startswith("modelserve:")}


class Change:
    """What another run of the program makes differently.

    Attributes:
        added, removed: types of resources that only one of the runs has.
        differs: ``(type, name)`` to the inputs that are not the same.
    """

    def __init__(self, before: Cloud, after: Cloud) -> None:
        old, new = made(before), made(after)
        self.added = {typ for typ, _ in new.keys() - old.keys()}
        self.removed = {typ for typ, _ in old.keys() - new.keys()}
        self.differs = {
            key: differing for key in old.keys() & new.keys() if (differing := _differing(old[key], new[key]))
        }

    @property
    def types(self) -> set[str]:
        return {typ for typ, _ in self.differs}


def _differing(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {key for key in old.keys() | new.keys() if _plain(old.get(key)) != _plain(new.get(key))}


def _plain(value: Any) -> Any:
    """Files and archives compare by identity; what they are read from says as much."""
    if isinstance(value, pulumi.FileAsset):
        return value.path
    if isinstance(value, pulumi.AssetArchive):
        return {name: _plain(each) for name, each in value.assets.items()}
    return value
