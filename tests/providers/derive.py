"""Schemas of resource types, from a provider's SDK package itself."""

import importlib
import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

# The SDK keeps the types of wire names in this module, and nowhere else.
from pulumi import _types as wire_types

from ops import sdk
from tests.providers.schema import Object, Schema, Type

SCALARS = {str: "str", int: "int", float: "float", bool: "bool"}
CONTAINERS: dict[Any, str] = {Sequence: "list", Mapping: "map"}


def derived(token: str) -> Schema | None:
    """The schema of a type token; None when there is no such type."""
    made = sdk.resource_class(token)
    if made is None:
        return None
    objects: dict[str, Object] = {}
    return Schema(_object(_arguments(made), objects), _object(made, objects), objects)


def _arguments(made: type) -> type:
    module = importlib.import_module(made.__module__)
    # The second where the first is taken by an object within some other resource.
    return getattr(module, f"{made.__name__}InitArgs", None) or getattr(module, f"{made.__name__}Args")


def _object(typ: Any, objects: dict[str, Object]) -> str:
    name = f"{typ.__module__}.{typ.__name__}"
    if name not in objects:
        # Some hold themselves.
        objects[name] = Object({}, ())
        given = wire_types.input_type_types(typ) if wire_types.is_input_type(typ) else sdk.outputs(typ)
        required = _required(typ) if wire_types.is_input_type(typ) else _always(typ)
        objects[name] = Object({key: _type(one, objects) for key, one in given.items()}, sorted(required))
    return name


def _type(typ: Any, objects: dict[str, Object]) -> Type:
    typ = _narrowed(typ)
    if typing.get_origin(typ) in (typing.Union, types.UnionType):
        return {"either": [_type(one, objects) for one in typing.get_args(typ)]}
    if isinstance(typ, type) and (wire_types.is_input_type(typ) or wire_types.is_output_type(typ)):
        return {"object": _object(typ, objects)}
    if container := CONTAINERS.get(typing.get_origin(typ)):
        return {container: _type(typing.get_args(typ)[-1], objects)}
    return SCALARS.get(typ, "any")


def _required(arguments: type) -> set[str]:
    names = wire_types.input_type_py_to_pulumi_names(arguments)
    parameters = inspect.signature(arguments).parameters.values()
    return {names[each.name] for each in parameters if each.default is inspect.Parameter.empty}


def _always(made: type) -> set[str]:
    found: set[str] = set()
    for member in vars(made).values():
        if isinstance(member, property) and (name := getattr(member.fget, "_pulumi_name", None)):
            annotation = member.fget.__annotations__["return"]
            (told,) = typing.get_args(annotation)[:1] or (None,)
            if not any(type(None) in typing.get_args(one) for one in (annotation, told)):
                found.add(name)
    return found


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
