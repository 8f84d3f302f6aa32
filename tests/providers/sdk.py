"""Inputs against what a provider's SDK package says of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.providers import schema
from tests.providers.schema import Object, Schema, Type
from tests.providers.server import UNKNOWN, Properties

JSON_NAMES = {"str": "a string", "int": "a whole number", "float": "a number", "bool": "true or false"}
CONTAINERS: dict[str, tuple[type, str]] = {"list": (list, "a list"), "map": (dict, "a map")}
SHOWN = 60
"""Characters of a wrong value that a message shows."""


def known(token: str) -> Schema:
    """What is said of a resource type that there is."""
    found = schema.of(token)
    assert found is not None, token
    return found


def inputs(token: str) -> Mapping[str, Type]:
    """Types of a resource's inputs by wire name."""
    return known(token).objects[known(token).inputs].properties


def outputs(token: str) -> Mapping[str, Type]:
    """Types of its outputs."""
    return known(token).objects[known(token).outputs].properties


def wrong(token: str, given: Properties) -> list[tuple[str, str]]:
    """``(property, reason)`` for whatever the SDK's types do not allow."""
    found = schema.of(token)
    if found is None:
        return [("", f"there is no resource type {token}")]
    return list(_wrong_object("", given, found.inputs, found.objects))


def _wrong_object(path: str, given: Properties, name: str, objects: Mapping[str, Object]) -> Iterator[tuple[str, str]]:
    of = objects[name]
    for missing in sorted(set(of.required) - given.keys()):
        yield path + missing, "is required and missing"
    for key, value in given.items():
        if key in of.properties:
            yield from _wrong_value(path + key, value, of.properties[key], objects)
        else:
            yield path + key, f"is no property of {name.rpartition('.')[2].removesuffix('Args')}"


def _wrong_value(path: str, value: Any, typ: Type, objects: Mapping[str, Object]) -> Iterator[tuple[str, str]]:
    if value == UNKNOWN or typ == "any":
        return
    if isinstance(typ, str):
        if not _is_scalar(value, typ):
            yield path, f"is {_shown(value)}, not {JSON_NAMES[typ]}"
        return
    ((kind, of),) = typ.items()
    if kind == "either":
        verdicts = [list(_wrong_value(path, value, one, objects)) for one in of]
        if all(verdicts):
            yield verdicts[0][0]
    elif kind == "object":
        if isinstance(value, dict):
            yield from _wrong_object(f"{path}.", value, of, objects)
        else:
            yield path, f"is {_shown(value)}, not an object"
    else:
        yield from _wrong_items(path, value, kind, of, objects)


def _wrong_items(
    path: str, value: Any, kind: str, of: Type, objects: Mapping[str, Object]
) -> Iterator[tuple[str, str]]:
    container, name = CONTAINERS[kind]
    if not isinstance(value, container):
        yield path, f"is {_shown(value)}, not {name}"
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _wrong_value(f"{path}.{key}", one, of, objects)
    else:
        for place, one in enumerate(value):
            yield from _wrong_value(f"{path}[{place}]", one, of, objects)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _is_scalar(value: Any, typ: str) -> bool:
    match typ:
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
        case _:
            return isinstance(value, str)
