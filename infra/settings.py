"""The settings of a stack, typed and checked before anything is made.

The only reader of Pulumi's configuration and of ``apps/<app>/app.yaml``.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import pulumi
import yaml
from pulumi.runtime import config
from pydantic import Field, ValidationError

from infra import validation
from infra.serving.spec import ServingSpec
from infra.serving.traffic import Frozen
from infra.validation import SettingsError

PROJECT = "modelserve"
Tree = Mapping[str, Any]
CHECKOUT = Path(__file__).resolve().parent.parent

Port = Annotated[int, Field(ge=1024, le=65535)]
"""Below 1024 a port needs root."""
PortOrFree = Annotated[int, Field(ge=0, le=65535)]
"""0 takes a free port once and keeps it."""


class Gateway(Frozen):
    """The way in.

    Attributes:
        port: where it listens on the loopback address.
    """

    port: Port = 8080


class Prometheus(Frozen):
    """Where metrics are kept.

    Attributes:
        port: where its page and API listen on the loopback address.
    """

    port: Port = 9090


class Postgres(Frozen):
    """The database of the apps that ask for one.

    Attributes:
        port: where it listens on the loopback address.
    """

    port: PortOrFree = 0


class Redis(Frozen):
    """The cache.

    Attributes:
        port: where it listens on the loopback address.
        memory_mib: above this the least recently used entries go.
    """

    port: PortOrFree = 0
    memory_mib: int = Field(default=128, ge=16)


class Models(Frozen):
    """Where artefacts are looked for, before the project's own and the ones that set-up made.

    Attributes:
        stores: folders ``<store>/<model>/<version>/``.
    """

    stores: tuple[str, ...] = ()


class Data(Frozen):
    """What becomes of pictures and rows.

    Attributes:
        retain: keep them when the stack is destroyed, for the next ``up``.
    """

    retain: bool = True


class Settings(Frozen):
    """One stack.

    Attributes:
        target: what it runs on.
        apps: by name, what differs from their ``app.yaml``.
    """

    target: Literal["local", "kind", "aws"]
    gateway: Gateway = Gateway()
    prometheus: Prometheus = Prometheus()
    postgres: Postgres = Postgres()
    redis: Redis = Redis()
    models: Models = Models()
    data: Data = Data()
    apps: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])


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
    file = CHECKOUT / f"Pulumi.{stack}.yaml"
    if not file.exists():
        known = ", ".join(sorted(found.name.split(".")[1] for found in CHECKOUT.glob("Pulumi.*.yaml")))
        raise SettingsError(f"There is no {file.name}.\n  Stacks are {known}.")
    written: Tree = yaml.safe_load(file.read_text()).get("config") or {}
    return parse({key: value if isinstance(value, str) else json.dumps(value) for key, value in written.items()}, stack)


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
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise validation.explain(error, Settings, where) from None


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
    _check_needs(specs, stack)
    _check_routes(specs)
    return specs


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


def _spec(file: Path, override: Mapping[str, Any], stack: str) -> ServingSpec | None:
    override = dict(override)
    if override.pop("enabled", True) in (False, "false"):
        return None
    source = f"apps/{file.parent.name}/app.yaml"
    try:
        written: object = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise SettingsError(f"{source} is not YAML: {error}") from None
    if not isinstance(written, dict):
        raise SettingsError(f"{source} must be a mapping of the serving spec's keys.")

    def where(path: validation.Path) -> str:
        key = ".".join(map(str, path))
        if _has(override, path):
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


def merge(below: Tree, above: Tree) -> dict[str, Any]:
    """``below`` with every leaf of ``above`` in its place; lists are replaced whole."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(cast(Tree, inner), cast(Tree, value)) if both else value
    return merged


def _decode(text: str) -> object:
    """Objects and lists arrive as JSON; everything else stays text for the type to read."""
    return json.loads(text) if text[:1] in ("{", "[") else text


def _has(tree: Tree, path: validation.Path) -> bool:
    at: object = tree
    for step in path:
        if not isinstance(at, Mapping) or step not in at:
            return False
        at = cast(object, at[step])
    return bool(path)
