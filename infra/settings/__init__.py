"""The settings of a stack, typed and checked before anything is made.

The only reader of Pulumi's configuration and of ``apps/<app>/app.yaml``.
"""

import json
import re
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import pulumi
import yaml
from pulumi.runtime import config
from pydantic import ValidationError

from infra import validation
from infra.settings.apps import serving_specs
from infra.settings.stack import CHECKOUT, Settings
from infra.settings.tree import PROJECT, Tree, merge
from infra.validation import SettingsError

__all__ = ["CHECKOUT", "PROJECT", "Settings", "from_file", "parse", "read", "serving_specs", "written"]


def read() -> Settings:
    """The settings of the stack that is running.

    Raises:
        SettingsError: a key or value is wrong; the message names it and what is allowed.
    """
    return parse({**config.get_config_env(), **config.CONFIG.get()}, pulumi.get_stack())


def from_file(stack: str) -> Settings:
    """The settings of a stack as its file says them, without the engine.

    Raises:
        SettingsError: there is no such file, or a key or value in it is wrong.
    """
    return parse(written(stack), stack)


def written(stack: str) -> dict[str, str]:
    """What a stack's file says, as the engine hands it to a program.

    Raises:
        SettingsError: there is no such file.
    """
    file = CHECKOUT / f"Pulumi.{stack}.yaml"
    if not file.exists():
        known = ", ".join(sorted(found.name.split(".")[1] for found in CHECKOUT.glob("Pulumi.*.yaml")))
        raise SettingsError(f"There is no {file.name}.\n  Stacks are {known}.")
    told: Tree = yaml.safe_load(file.read_text()).get("config") or {}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()}


def parse(values: Mapping[str, str], stack: str) -> Settings:
    """Check configuration as the engine hands it over: full keys, values as text, objects as JSON.

    A dotted key is the same as a nested one: ``gateway.port: 8081`` and ``gateway: {port: 8081}``.
    """
    tree: dict[str, Any] = {}
    for key, text in values.items():
        namespace, _, name = key.partition(":")
        if namespace == PROJECT:
            *folders, leaf = name.split(".")
            branch: dict[str, Any] = {leaf: _decode(text)}
            for part in reversed(folders):
                branch = {part: branch}
            tree = merge(tree, branch)

    def where(path: validation.Path) -> str:
        return f"Pulumi.{stack}.yaml: {PROJECT}:{'.'.join(map(str, path))}"

    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise validation.explain(error, Settings, where) from None
    if settings.target == "aws":
        _check_aws(settings, stack, where(("aws",)))
    _check_ports(settings, where)
    return settings


def _check_ports(settings: Settings, where: Callable[[validation.Path], str]) -> None:
    for (key, port), (other, same) in combinations(settings.ports.items(), 2):
        if port == same != 0:
            raise SettingsError(
                f"{where((key,))} and {PROJECT}:{other} are both {port}.\n  Give one of them another port."
            )


def _check_aws(settings: Settings, stack: str, where: str) -> None:
    if settings.aws is None:
        raise SettingsError(
            f"{where} is missing, which target aws is made from.\n"
            "  Give account_id, region, zones and what else Pulumi.stage.yaml has there."
        )
    # "modelserve-", the stack, and eight signs that make it unique: a load balancer's name ends at 32.
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,12}", stack):
        raise SettingsError(
            f"The stack is named {stack}, which names of load balancers and databases in AWS cannot hold.\n"
            "  Take at most 13 lower-case letters, digits and hyphens, the first a letter."
        )


def _decode(text: str) -> object:
    """Objects and lists arrive as JSON; everything else stays text for the type to read."""
    return json.loads(text) if text[:1] in ("{", "[") else text
