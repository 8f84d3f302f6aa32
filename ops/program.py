"""The whole program of a stack without an engine: every resource that it asks for, with its properties.

What only a cloud can know stands as ``${Type.name.property}``. Nothing is made, and no credentials are needed.
"""

import asyncio
import runpy
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import pulumi
from pulumi import _types as wire_types  # pyright: ignore[reportPrivateUsage]
from pulumi.dynamic.dynamic import PROVIDER_KEY
from pulumi.runtime import mocks, rpc

from infra import brisk
from infra.settings import CHECKOUT, PROJECT, from_file, written
from ops import sdk


class Made(NamedTuple):
    """A resource that the program asks for.

    Attributes:
        type: Pulumi's type token, ``aws:ec2/vpc:Vpc`` for example.
        name: its name in the program.
        properties: its inputs by the names that the provider uses.
    """

    type: str
    name: str
    properties: dict[str, Any]


def program(stack: str) -> list[Made]:
    """Everything that the stack's program asks for, in the order in which it does.

    Raises:
        SettingsError: a setting is wrong.
    """
    # Checked first: inside the program it would end in a traceback.
    from_file(stack)
    recording = Recording()
    _run(recording, stack)
    return recording.made


class Recording(mocks.Mocks):
    """Stands in for the engine and every provider: keeps what is asked for, answers with names.

    Attributes:
        made: what was asked for so far.
    """

    def __init__(self) -> None:
        self.made: list[Made] = []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        """Keep a resource, and answer what its provider would."""
        inputs = cast(dict[str, Any], _whole(cast(object, args.inputs)))  # pyright: ignore[reportUnknownMemberType]
        # The code of a resource that the program itself provides.
        inputs.pop(PROVIDER_KEY, None)
        self.made.append(Made(args.typ, args.name, inputs))
        cls = None if args.typ.startswith(("pulumi:", f"{PROJECT}:")) else sdk.resource_class(args.typ)
        path = f"{args.typ.rpartition(':')[2]}.{args.name}"
        return f"${{{path}.id}}", {**(_told(cls, path, inputs) if cls else {}), **inputs}

    def call(self, args: mocks.MockCallArgs) -> Any:  # noqa: ANN401 - never returns
        """Refuse: what a provider looks up has no name yet."""
        raise LookupError(f"The program calls {args.token}, which only a provider could answer.")


def _whole(value: object) -> object:
    """What the program means: the protocol has no whole numbers, no order of keys, and a mark on secrets."""
    if rpc.is_rpc_secret(value):
        return _whole(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in sorted(cast(dict[str, object], value).items())}
    if isinstance(value, list):
        return [_whole(each) for each in cast(list[object], value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _told(typ: type, path: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a provider would tell of a resource or of a part of one, by name instead of by value."""
    # A certificate has one record of proof for each of its names; of other lists the program reads the first alone.
    length = 1 + len(given.get("subjectAlternativeNames", ()))
    return {
        name: _placeholder(of, f"{path}.{name}", length) for name, of in sdk.outputs(typ).items() if name not in given
    }


def _placeholder(typ: type, path: str, length: int) -> object:
    origin = typing.get_origin(typ)
    if origin is Sequence or origin is list:
        return [_placeholder(typing.get_args(typ)[0], f"{path}[{at}]", 1) for at in range(length)]
    if origin is not None and issubclass(origin, Mapping):
        return {}
    if wire_types.is_output_type(typ):
        return _told(typ, path, {})
    return {bool: False, int: 0, float: 0.0}.get(typ, f"${{{path}}}")


def _run(recording: mocks.Mocks, stack: str) -> None:
    pulumi.runtime.set_all_config(written(stack))
    try:
        asyncio.get_event_loop()
    except RuntimeError:
        asyncio.set_event_loop(asyncio.new_event_loop())
    pulumi.runtime.set_mocks(recording, project=PROJECT, stack=stack, preview=False)

    def whole() -> None:
        runpy.run_path(str(CHECKOUT / "__main__.py"), run_name="__main__")

    drain = cast(Callable[[Callable[[], None]], Callable[[], None]], mocks.test)  # pyright: ignore[reportUnknownMemberType]
    # The program is used to having a process of its own.
    with brisk.undone():
        drain(whole)()
