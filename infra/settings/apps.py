"""The apps of a stack: what their ``app.yaml`` says, with what the stack overrides."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from infra import validation
from infra.serving.spec import ServingSpec
from infra.settings.stack import CHECKOUT, Settings
from infra.settings.tree import PROJECT, Tree, has, merge
from infra.validation import SettingsError

REVISIONS = ("stable", "canary")
"""What targets call the versions of an app: ``<app>-<role>``, and their parts ``<app>-<role>-…``, pods among them."""

PARTS = (*REVISIONS, "internal", "database")
"""The same, and its route for other apps and the Secret of its database, which have no parts."""


def serving_specs(settings: Settings, stack: str, folder: Path = CHECKOUT / "apps") -> list[ServingSpec]:
    """Every enabled app's serving spec, with what the stack overrides, sorted by name.

    Raises:
        SettingsError: an app.yaml or an override is wrong, or names an app that is not there.
    """
    files = {file.parent.name: file for file in sorted(folder.glob("*/app.yaml"))}
    for name in settings.apps:
        if name not in files:
            raise SettingsError(
                f"Pulumi.{stack}.yaml: {PROJECT}:apps.{name} is not an app.\n"
                f"  There is {', '.join(files)}; an app is a folder under apps/ with an app.yaml."
            )
    found = [_spec(files[name], settings.apps.get(name, {}), stack) for name in files]
    specs = [spec for spec in found if spec]
    _check_names(specs)
    _check_needs(specs, stack)
    _check_routes(specs)
    _check_gpus(specs, settings, stack)
    _check_ray(specs, settings, stack)
    return specs


def _check_names(specs: Sequence[ServingSpec]) -> None:
    names = [spec.name for spec in specs]
    for name, other in product(names, names):
        part = name.removeprefix(f"{other}-")
        if part != name and (part in PARTS or part.split("-")[0] in REVISIONS):
            raise SettingsError(
                f"apps/{name}/app.yaml: name is {name}, which is what {other}'s own parts are called.\n"
                f"  Rename the app and its folder; {', '.join(f'{other}-{taken}' for taken in PARTS)} are taken, and "
                f"what begins with {' or '.join(f'{other}-{role}-' for role in REVISIONS)}."
            )


def _check_needs(specs: Sequence[ServingSpec], stack: str) -> None:
    paths = {spec.name: {route.prefix for route in spec.routes} for spec in specs}
    for spec in specs:
        for need in spec.needs:
            if need not in paths:
                raise SettingsError(
                    f"apps/{spec.name}/app.yaml: needs names {need}, which this stack does not have.\n"
                    f"  Remove it from needs, or enable {need} in Pulumi.{stack}.yaml."
                )
            if f"/{need}/" not in paths[need]:
                raise SettingsError(
                    f"apps/{spec.name}/app.yaml: needs names {need}, which the gateway does not have at /{need}/.\n"
                    f"  Give apps/{need}/app.yaml a route with the prefix /{need}/."
                )


def _check_routes(specs: Sequence[ServingSpec]) -> None:
    owners: dict[str, str] = {}
    for spec in specs:
        for route in spec.routes:
            other = owners.setdefault(route.prefix, spec.name)
            if other != spec.name:
                raise SettingsError(
                    f"apps/{spec.name}/app.yaml: routes has {route.prefix}, which {other} has already.\n"
                    "  Give one of them another prefix."
                )


def _check_gpus(specs: Sequence[ServingSpec], settings: Settings, stack: str) -> None:
    if settings.target == "aws" and settings.aws and not settings.aws.nodes.gpu:
        lacking = "aws.nodes.gpu"
    elif settings.target == "kind" and not settings.kind.context:
        lacking = "kind.context, a cluster that has some"
    else:
        return
    for spec in specs:
        if spec.resources.gpu:
            raise SettingsError(
                f"apps/{spec.name}/app.yaml: resources.gpu is {spec.resources.gpu:g}, but the stack has no GPU nodes.\n"
                f"  Give Pulumi.{stack}.yaml {PROJECT}:{lacking}, or set {PROJECT}:apps.{spec.name}.resources.gpu "
                "to 0 there."
            )


def _check_ray(specs: Sequence[ServingSpec], settings: Settings, stack: str) -> None:
    if settings.target == "local" or settings.platform.components.kuberay:
        return
    for spec in specs:
        if spec.way == "ray":
            raise SettingsError(
                f"apps/{spec.name}/app.yaml: runs_on is ray, but the stack has no Ray operator.\n"
                f"  Set {PROJECT}:platform.components.kuberay to true in Pulumi.{stack}.yaml, or give another runs_on."
            )


def _parsed(text: str) -> object:
    """YAML by the parser in C, ten times as fast; by the one in Python where that fails, as it names the right line."""
    try:
        return yaml.load(text, yaml.CSafeLoader)
    except yaml.YAMLError:
        return yaml.safe_load(text)


def _spec(file: Path, override: Mapping[str, Any], stack: str) -> ServingSpec | None:
    override = dict(override)
    if override.pop("enabled", True) in (False, "false"):
        return None
    source = f"apps/{file.parent.name}/app.yaml"
    try:
        written = _parsed(file.read_text())
    except yaml.YAMLError as error:
        raise SettingsError(f"{source} is not YAML: {error}") from None
    if not isinstance(written, dict):
        raise SettingsError(f"{source} must be a mapping of the serving spec's keys.")

    def where(path: validation.Path) -> str:
        key = ".".join(map(str, path))
        if has(override, path):
            return f"Pulumi.{stack}.yaml: {PROJECT}:apps.{file.parent.name}.{key}"
        return f"{source}: {key}" if key else source

    try:
        spec = ServingSpec.model_validate(merge(cast(Tree, written), override))
    except ValidationError as error:
        raise validation.explain(error, ServingSpec, where) from None
    if spec.name != file.parent.name:
        raise SettingsError(
            f"{source}: name is {spec.name!r}, but its folder is {file.parent.name}.\n  Make them equal."
        )
    return spec
