"""Settings before they are typed: trees of keys."""

from collections.abc import Mapping
from typing import Any, cast

PROJECT = "modelserve"
Tree = Mapping[str, Any]


def merge(below: Tree, above: Tree) -> dict[str, Any]:
    """``below`` with every leaf of ``above`` in its place; lists are replaced whole."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(cast(Tree, inner), cast(Tree, value)) if both else value
    return merged


def has(tree: Tree, path: tuple[str | int, ...]) -> bool:
    """Whether the tree says something at the path."""
    at: object = tree
    for step in path:
        if not isinstance(at, Mapping) or step not in at:
            return False
        at = cast(object, at[step])
    return bool(path)
