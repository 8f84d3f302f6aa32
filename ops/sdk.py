"""What a provider's SDK package says of its resources."""

import importlib
from collections.abc import Mapping
from functools import cache
from typing import Any

# The SDK keeps the types of wire names in this module, and nowhere else.
from pulumi import _types as wire_types  # pyright: ignore[reportPrivateUsage]
from pulumi import dynamic


@cache
def resource_class(token: str) -> type | None:
    """The class of a type token, ``aws:ec2/vpc:Vpc`` for example; None when there is no such resource."""
    package, module, name = token.split(":")
    if package == "pulumi-python":
        return _dynamic_class(f"{module}:{name}")
    where = f"pulumi_{package}".replace("-", "_")
    folder = module.partition("/")[0]
    # A module named like a keyword ends in an underscore: lambda_.
    for path in (where,) if folder == "index" else (f"{where}.{folder}", f"{where}.{folder}_"):
        try:
            return getattr(importlib.import_module(path), name)
        except (ImportError, AttributeError):
            continue
    return None


def _dynamic_class(name: str) -> type | None:
    """The class of a resource that the program itself provides, among those that it has imported."""
    waiting: list[type] = [dynamic.Resource]
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        # The SDK tells it to the engine and to nobody else.
        if vars(found).get("_resource_type_name") == name:
            return found
    return None


@cache
def outputs(typ: type) -> Mapping[str, Any]:
    """Type of each output of a resource class, or of an output type within one, by wire name."""
    return wire_types.output_type_types(typ) if wire_types.is_output_type(typ) else wire_types.resource_types(typ)
