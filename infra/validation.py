"""What was wrong in a settings file, where, and what is allowed there."""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]

SENSITIVE = re.compile(r"pass|secret|token|key|credential", re.IGNORECASE)
"""In the name of a key: its value is for nobody's log."""


class SettingsError(Exception):
    """Settings that a user gave and can put right; the message says how."""


def explain(error: ValidationError, model: type[BaseModel], where: Callable[[Path], str]) -> SettingsError:
    """Turn a validation error into one line for each wrong value.

    Args:
        error: what validating ``model`` raised.
        model: names the keys that would have been right.
        where: from the path of a value to the file and key that a user can edit.
    """
    return SettingsError("\n".join(_line(dict(found), model, where) for found in error.errors()))


def _line(found: dict[str, Any], model: type[BaseModel], where: Callable[[Path], str]) -> str:
    path: Path = found["loc"]
    place = where(path)
    if found["type"] == "extra_forbidden":
        allowed = sorted(_keys(model, path[:-1]))
        near = get_close_matches(str(path[-1]), allowed, n=1)
        advice = f"Did you mean {near[0]}?" if near else f"Allowed here: {', '.join(allowed)}."
        return f"{place} is not a setting{_shown(path, found['input'])}.\n  {advice}"
    if found["type"] == "missing":
        return f"{place} is missing.\n  Give it a value."
    message = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "value_error":
        return f"{place}: {message}."
    message = message.replace("Input should be a valid", "must be a").replace("Input should", "must")
    return f"{place} is {found['input']!r}: {message}."


def _shown(path: Path, value: object) -> str:
    """The value of an unknown key, unless it may be a secret, or have one in it.

    The engine masks what it keeps as a secret itself; this is for what somebody took for a plain setting.
    """
    plain = isinstance(value, str | int | float) and not SENSITIVE.search(".".join(map(str, path)))
    return f"; its value is {value!r}" if plain else ""


def _keys(model: type[BaseModel], path: Path) -> Iterable[str]:
    """The fields of the model that ``path`` leads to."""
    at: type[BaseModel] = model
    for step in path:
        field = at.model_fields.get(str(step))
        if field is None:
            continue
        choices: tuple[object, ...] = (field.annotation, *get_args(field.annotation))
        at = next((c for c in choices if isinstance(c, type) and issubclass(c, BaseModel)), at)
    return at.model_fields
