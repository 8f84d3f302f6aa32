"""What a provider's SDK package says of a resource type, as plain data: derived once, then read from the cache.

To ask the package itself, it has to be imported: 3 s and 100 MB for the types of one plan.
"""

import importlib
import inspect
import json
import os
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

# The SDK keeps the types of wire names in this module, and nowhere else.
from pulumi import _types as wire_types

from ops import sdk
from toolchain import places

Type = Any
"""``any``, ``str``, ``int``, ``float`` or ``bool``; else a map with one key: ``list`` or ``map`` with the type of what
they hold, ``either`` with a list of types, ``object`` with its name."""

SCALARS = {str: "str", int: "int", float: "float", bool: "bool"}
CONTAINERS: dict[Any, str] = {Sequence: "list", Mapping: "map"}


@dataclass(frozen=True)
class Object:
    """An object, or a resource.

    Attributes:
        properties: types by wire name.
        required: what must be given, or of outputs, what is always there.
    """

    properties: Mapping[str, Type]
    required: Sequence[str]


@dataclass(frozen=True)
class Schema:
    """A resource type.

    Attributes:
        inputs: name of the object of its inputs.
        outputs: name of that of its outputs.
        objects: those two and all within them, by the module and name of their class.
    """

    inputs: str
    outputs: str
    objects: Mapping[str, Object]


@cache
def of(token: str) -> Schema | None:
    """The schema of a type token, ``aws:ec2/vpc:Vpc`` for example; None when there is no such type."""
    file = _file(token)
    if file.exists():
        told = json.loads(file.read_text())
        return Schema(told["inputs"], told["outputs"], {name: Object(**one) for name, one in told["objects"].items()})
    made = sdk.resource_class(token)
    if made is None:
        return None
    objects: dict[str, Object] = {}
    schema = Schema(_object(_arguments(made), objects), _object(made, objects), objects)
    file.parent.mkdir(parents=True, exist_ok=True)
    # Several stand-ins may come to it at once.
    part = file.with_suffix(f".{os.getpid()}-{os.urandom(4).hex()}")
    part.write_text(json.dumps(asdict(schema)))
    part.replace(file)
    return schema


def _file(token: str) -> Path:
    package = f"pulumi-{token.partition(':')[0]}"
    # What another version of this module has written says other things.
    how = sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    return places.cache() / "stand-ins" / f"{package}-{version(package)}-{how}" / f"{quote(token, safe='')}.json"


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
