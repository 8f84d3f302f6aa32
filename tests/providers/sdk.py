"""What a provider's SDK package says of its resources: their inputs, which are required, and what comes out."""

import importlib
import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

# The SDK keeps the types of wire names in this module, and nowhere else.
from pulumi import _types as wire_types

from ops import sdk
from ops.sdk import resource_class
from tests.providers.server import UNKNOWN, Properties

JSON_NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
SHOWN = 60
"""Characters of a wrong value that a message shows."""
CONTAINERS: dict[Any, tuple[type, str]] = {Sequence: (list, "a list"), Mapping: (dict, "a map")}


@cache
def inputs(token: str) -> Mapping[str, type]:
    """Types of a resource's inputs by wire name."""
    return wire_types.input_type_types(_arguments(token))


def wrong(token: str, given: Properties) -> list[tuple[str, str]]:
    """``(property, reason)`` for whatever the SDK's types do not allow."""
    if resource_class(token) is None:
        return [("", f"there is no resource type {token}")]
    return list(_wrong_object("", given, _arguments(token)))


@cache
def outputs(typ: Any) -> Mapping[str, tuple[Any, bool]]:
    """``(type, always there)`` of each output of a resource class, or of an output type within one."""
    of_wire_names = sdk.outputs(typ)
    found: dict[str, tuple[Any, bool]] = {}
    for member in vars(typ).values():
        if isinstance(member, property) and (name := getattr(member.fget, "_pulumi_name", None)):
            (told,) = typing.get_args(member.fget.__annotations__["return"])[:1] or (None,)
            found[name] = (of_wire_names[name], not _may_be_none(member.fget.__annotations__["return"], told))
    return found


def _may_be_none(*annotations: Any) -> bool:
    return any(type(None) in typing.get_args(annotation) for annotation in annotations)


@cache
def _arguments(token: str) -> type:
    found = resource_class(token)
    assert found is not None, token
    module = importlib.import_module(found.__module__)
    # The second where the first is taken by an object within some other resource.
    return getattr(module, f"{found.__name__}InitArgs", None) or getattr(module, f"{found.__name__}Args")


@cache
def _required(arguments: type) -> frozenset[str]:
    names = wire_types.input_type_py_to_pulumi_names(arguments)
    parameters = inspect.signature(arguments).parameters.values()
    return frozenset(names[each.name] for each in parameters if each.default is inspect.Parameter.empty)


def _wrong_object(path: str, given: Properties, arguments: type) -> typing.Iterator[tuple[str, str]]:
    known = wire_types.input_type_types(arguments)
    for name in sorted(_required(arguments) - given.keys()):
        yield path + name, "is required and missing"
    for name, value in given.items():
        if name in known:
            yield from _wrong_value(path + name, value, known[name])
        else:
            yield path + name, f"is no property of {arguments.__name__.removesuffix('Args')}"


def _wrong_value(path: str, value: Any, typ: Any) -> typing.Iterator[tuple[str, str]]:
    typ = _narrowed(typ)
    if value == UNKNOWN or typ is Any:
        return
    if typing.get_origin(typ) in (typing.Union, types.UnionType):
        verdicts = [list(_wrong_value(path, value, one)) for one in typing.get_args(typ)]
        if all(verdicts):
            yield verdicts[0][0]
    elif isinstance(typ, type) and wire_types.is_input_type(typ):
        if isinstance(value, dict):
            yield from _wrong_object(f"{path}.", value, typ)
        else:
            yield path, f"is {_shown(value)}, not an object"
    elif typing.get_origin(typ) in CONTAINERS:
        yield from _wrong_items(path, value, typ)
    elif typ in JSON_NAMES and not _is_scalar(value, typ):
        yield path, f"is {_shown(value)}, not {JSON_NAMES[typ]}"


def _wrong_items(path: str, value: Any, typ: Any) -> typing.Iterator[tuple[str, str]]:
    container, name = CONTAINERS[typing.get_origin(typ)]
    if not isinstance(value, container):
        yield path, f"is {_shown(value)}, not {name}"
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _wrong_value(f"{path}.{key}", one, typing.get_args(typ)[1])
    else:
        for place, one in enumerate(value):
            yield from _wrong_value(f"{path}[{place}]", one, typing.get_args(typ)[0])


def _narrowed(typ: Any) -> Any:
    """The plain type of an ``Input[T]``: without the ways in which a program may promise it."""
    if typing.get_origin(typ) not in (typing.Union, types.UnionType):
        return typ
    kept = [one for one in typing.get_args(typ) if not _is_promise(one)]
    if any(isinstance(one, type) and wire_types.is_input_type(one) for one in kept):
        # Or a dictionary of the same: the class says more.
        kept = [one for one in kept if typing.get_origin(one) is not Mapping]
    return kept[0] if len(kept) == 1 else typing.Union[tuple(kept)]  # noqa: UP007 (made at run time)


def _is_promise(typ: Any) -> bool:
    origin = typing.get_origin(typ)
    return typ is type(None) or (origin is not None and origin.__name__ in ("Awaitable", "Output"))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _is_scalar(value: Any, typ: type) -> bool:
    if typ is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if typ is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, typ)
