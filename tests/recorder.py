"""A Pulumi engine that records: every resource a program makes, with the inputs it got."""

import asyncio
import contextvars
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import pulumi
from pulumi.runtime import mocks, settings

T = TypeVar("T")


class Recorder(mocks.Mocks):
    """Runs programs against no cloud at all.

    Attributes:
        resources: ``(type, name, inputs)`` of each resource, in the order of registration.
        stack: name of the stack that programs believe to be in.
    """

    def __init__(self, stack: str = "stack") -> None:
        self.stack = stack
        self.resources: list[tuple[str, str, dict[str, Any]]] = []

    def run(self, program: Callable[[], pulumi.Output[T] | None]) -> T | None:
        """Run to the end, every registration drained; return what the program's output resolved to."""
        resolved: list[T] = []

        @mocks.test
        def drained() -> pulumi.Output[Any]:
            return pulumi.Output.from_input(program()).apply(resolved.append)

        pulumi.runtime.set_mocks(self, project="modelserve", stack=self.stack, preview=False)
        drained()
        return resolved[0]

    def only(self, typ: str) -> dict[str, Any]:
        """The inputs of the one resource of this type; fails when there is none, or more."""
        found = self.all(typ)
        assert len(found) == 1, f"{len(found)} of {typ} among {[made for made, *_ in self.resources]}"
        return found[0]

    def all(self, typ: str) -> list[dict[str, Any]]:
        """The inputs of every resource of this type, in the order of registration."""
        return [inputs for made, _, inputs in self.resources if made == typ]

    def none(self, typ: str) -> bool:
        """Whether no resource of this type was made; fails when nothing at all was made."""
        assert self.resources, "the program made nothing"
        return not self.all(typ)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.resources.append((args.typ, args.name, args.inputs))
        return f"{args.name}-id", {**args.inputs, "primaryEndpointAddress": f"{args.name}.example"}

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        raise AssertionError(f"no invoke expected, got {args.token}")


def executed(
    program: Callable[[], None], logger: logging.Logger | None = None, cloud: Recorder | None = None, plan: bool = False
) -> Recorder:
    """Run a program as the engine's executor does."""
    cloud = cloud or Recorder()
    engine, monitor = mocks.MockEngine(logger), mocks.MockMonitor(cloud)

    def run() -> None:
        settings.configure(
            mocks.MockSettings(engine=engine, monitor=monitor, project="p", stack="s", organization="o", dry_run=plan)
        )
        # Other tests leave theirs.
        settings.ROOT.set(None)
        asyncio.get_event_loop().run_until_complete(pulumi.runtime.run_in_stack(program))

    contextvars.copy_context().run(run)
    return cloud
