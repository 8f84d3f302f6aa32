"""What the SDK spends on a program of hundreds of resources beside making them, spared.

Measured with the 620 of ``prod`` on SDK 3.250: of the 15 s of CPU that the program took in a plan, ``begin`` spares 6.
Tests compare with the SDK left alone, and say when it needs one of these no longer. Its version is pinned.
"""

import asyncio
import atexit
import gc
from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from typing import Any

import pulumi
from pulumi.runtime import resource as registration
from pulumi.runtime import resource_cycle_breaker, settings
from pulumi.runtime import rpc as exported_rpc
from pulumi.runtime.proto import resource_pb2, source_pb2
from pulumi.runtime.sync_await import _sync_await  # pyright: ignore[reportPrivateUsage]

rpc: Any = exported_rpc
"""Exports nothing of what it has imported, and calls it by those names."""

PLAIN = frozenset({str, bool, int, float, type(None)})
"""What protobuf takes as it is: these and no classes made of them, which may be enumerations."""

TURNS = 40
"""Of the event loop: a resource takes one for each of the SDK's steps between being asked for and being registered."""


def hush() -> None:
    """Keep from the engine what it does nothing with unless somebody debugs it.

    That is the SDK's debug messages, some five a resource: for each the program stands still until the engine has
    answered, and only ``pulumi --debug`` shows them. And which lines of code asked for a resource, which the SDK reads
    off the stack for each, and the engine copies into the state.
    """

    def nothing(*message: object, **about: object) -> None:
        pass

    def nowhere() -> source_pb2.StackTrace:
        return source_pb2.StackTrace()

    pulumi.log.debug = nothing
    registration._get_stack_trace = nowhere  # pyright: ignore[reportPrivateUsage]


def name_at_once() -> None:
    """Write the URN of a resource down where all its parts are known, in place of seven outputs that wait for them.

    The SDK works one out for every registration, and looks at it only where there is no engine.
    """
    by_outputs = registration.create_urn

    def create_urn(
        name: pulumi.Input[str],
        type_: pulumi.Input[str],
        parent: pulumi.Resource | pulumi.Input[str] | None = None,
        project: str | None = None,
        stack: str | None = None,
    ) -> pulumi.Output[str]:
        if not (isinstance(name, str) and isinstance(type_, str) and isinstance(parent, str)):
            return by_outputs(name, type_, parent, project, stack)
        return pulumi.Output.from_input(f"{parent[: parent.rfind('::')]}${type_}::{name}")

    registration.create_urn = create_urn


def seek_few_cycles() -> None:
    """Seek a way back only to resources that something depends on.

    Before the SDK notes that one resource depends on another, it walks all that the other depends on in search of the
    first. Nearly always nothing depends on that yet, so nothing leads to it: a tenth of what a further app took.
    """
    by_walking, depended_on = rpc.declare_dependency, set[pulumi.Resource]()

    def declare_dependency(from_resource: pulumi.Resource, to_resource: pulumi.Resource) -> bool:
        if from_resource in depended_on or from_resource is to_resource:
            noted = by_walking(from_resource, to_resource)
        else:
            noted = True
            resource_cycle_breaker._add_dep(from_resource, to_resource)  # pyright: ignore[reportPrivateUsage]
        if noted:
            depended_on.add(to_resource)
        return noted

    rpc.declare_dependency = declare_dependency


def pass_plain_values() -> None:
    """Send texts, numbers and truths as they are.

    The SDK asks of every value twenty things that it could be before it does: a tenth of what a further app took.
    """
    by_asking = rpc.serialize_property

    def serialize_property(value: object, *about: object, **more: object) -> Awaitable[Any]:
        if type(value) in PLAIN and not more.get("return_protobuf_value"):
            return _passed(value)
        return by_asking(value, *about, **more)

    rpc.serialize_property = serialize_property


async def _passed(value: object) -> object:
    return value


def expect_no_answers() -> None:
    """Take of what the engine answers of a resource of the SDK's bare class its URN and ID alone.

    Such a class declares no outputs, so there are none to ask it for. The SDK makes one of each input, and reads the
    whole answer for them: a fifth of what a further app took.
    """
    by_making, by_reading = rpc.transfer_properties, rpc.resolve_outputs

    def transfer_properties(res: pulumi.Resource, *about: object) -> dict[str, Any]:
        return {} if type(res) is pulumi.CustomResource else by_making(res, *about)

    def resolve_outputs(res: pulumi.Resource, *about: object, **more: object) -> None:
        if type(res) is not pulumi.CustomResource:
            by_reading(res, *about, **more)

    rpc.transfer_properties, rpc.resolve_outputs = transfer_properties, resolve_outputs


def wake(package: str) -> None:
    """Let the engine start a provider while the program goes on: it starts none before something is asked of it.

    It is asked for what no provider has, and nobody waits for the answer.
    """
    monitor: Any = settings.get_monitor()
    # An engine that only records has nothing to start.
    if hasattr(monitor.Invoke, "future"):
        asked = monitor.Invoke.future(resource_pb2.ResourceInvokeRequest(tok=f"{package}:wake:wake"))
        # A call that nobody holds is cancelled.
        atexit.register(asked.cancel)


def keep_garbage() -> None:
    """Look for none: what a program makes stays until its end. It takes a fifth of its time, and finds 4 MB.

    Nor does the interpreter when it ends, which takes a second.
    """
    gc.disable()
    atexit.register(gc.freeze)


@contextmanager
def undone() -> Generator[None]:
    """Undo the above at the end, for a program that runs in a process with more to do."""
    debug, trace = pulumi.log.debug, registration._get_stack_trace  # pyright: ignore[reportPrivateUsage]
    create_urn, declare, serialize = registration.create_urn, rpc.declare_dependency, rpc.serialize_property
    transfer, resolve = rpc.transfer_properties, rpc.resolve_outputs
    collecting = gc.isenabled()
    try:
        yield
    finally:
        pulumi.log.debug = debug
        registration._get_stack_trace = trace  # pyright: ignore[reportPrivateUsage]
        registration.create_urn = create_urn
        rpc.declare_dependency = declare
        rpc.serialize_property = serialize
        rpc.transfer_properties, rpc.resolve_outputs = transfer, resolve
        if collecting:
            gc.enable()
        atexit.unregister(gc.freeze)


def begin() -> None:
    """Let the registration of all resources so far begin; call it when the program has asked for the last.

    The SDK awaits one after the other what has begun. Where nothing has, it waits on all outputs together instead, and
    looks at every one of them again whenever one resolves: the square of their number.
    """
    _sync_await(_turns())


def begin_plan() -> None:
    """Let the engine plan what there is so far, while the program goes on; call it between parts of a large program.

    What makes things waits until the program has asked for all of them: an error in it leaves nothing half made.
    """
    if pulumi.runtime.is_dry_run():
        begin()


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
