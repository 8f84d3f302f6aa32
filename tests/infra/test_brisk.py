"""What the SDK spends beside making resources, and that a program of ours is spared it."""

import asyncio
import contextvars
import gc
import logging
import queue
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pulumi
import pytest
from pulumi.runtime import mocks, resource_cycle_breaker, rpc, settings
from pulumi.runtime import resource as registration
from pulumi.runtime.proto import resource_pb2_grpc

from infra import brisk
from tests.recorder import Recorder, executed
from tests.until import until

RESOURCES = 100
OUTPUTS = 2
"""Of each: its URN and its ID."""


class Thing(pulumi.CustomResource):
    """A resource that does nothing."""

    def __init__(self, number: int, after: list["Thing"]) -> None:
        super().__init__("test:index:Thing", f"thing-{number}", {}, pulumi.ResourceOptions(depends_on=after))


def many() -> None:
    made: list[Thing] = []
    for number in range(RESOURCES):
        made = [Thing(number, made)]


def begun() -> None:
    many()
    brisk.begin()


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many outputs the SDK looked at, each time that it waited for some."""
    counts: list[int] = []
    wait = asyncio.wait

    def counted(awaited: Collection[Any], **options: Any) -> Any:
        counts.append(len(awaited))
        return wait(awaited, **options)

    monkeypatch.setattr(asyncio, "wait", counted)
    return counts


def test_a_program_that_has_begun_is_not_waited_for_by_looking_at_everything_again(looked_at: list[int]) -> None:
    made = executed(begun).all("test:index:Thing")
    assert len(made) == RESOURCES
    assert sum(looked_at) <= 2 * OUTPUTS * RESOURCES


def test_the_sdk_needs_to_be_begun(looked_at: list[int]) -> None:
    executed(many)
    assert sum(looked_at) > 10 * OUTPUTS * RESOURCES, "it does without: take begin() away"


@pytest.mark.parametrize(("plan", "known"), [(True, RESOURCES), (False, 0)])
def test_a_plan_is_made_while_the_program_goes_on_but_nothing_else_is(plan: bool, known: int) -> None:
    cloud = Recorder()
    so_far: list[int] = []

    def program() -> None:
        for number in range(RESOURCES):
            Thing(number, [])
        until(registered, "what has begun is registered", 10)
        so_far.append(len(cloud.all("test:index:Thing")))

    def registered() -> bool:
        brisk.begin_plan()
        return len(cloud.all("test:index:Thing")) == known

    executed(program, cloud=cloud, plan=plan)
    assert so_far == [known]
    assert len(cloud.all("test:index:Thing")) == RESOURCES


def test_the_engine_hears_no_debug_messages_of_a_hushed_program(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger("engine")
    caplog.set_level(logging.DEBUG, logger.name)
    executed(begun, logger)
    assert len(caplog.messages) > RESOURCES, "the SDK says nothing: hush() need not"
    caplog.clear()

    with brisk.undone():
        brisk.hush()
        executed(begun, logger)
    assert not caplog.messages


def test_the_engine_is_not_told_who_asked_in_a_hushed_program(monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[int] = []
    register = mocks.MockMonitor.RegisterResource

    def looked_at(monitor: mocks.MockMonitor, request: Any) -> Any:
        frames.append(len(request.stackTrace.frames))
        return register(monitor, request)

    monkeypatch.setattr(mocks.MockMonitor, "RegisterResource", looked_at)
    executed(begun)
    assert sum(frames) > RESOURCES, "the SDK tells nothing: hush() need not forbid it"
    frames.clear()

    with brisk.undone():
        brisk.hush()
        executed(begun)
    assert sum(frames) == 0
    assert len(frames) > RESOURCES


def test_urns_cost_no_outputs_where_all_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    gathered: list[int] = []
    gather = pulumi.Output.all

    def counted(*parts: Any, **named: Any) -> pulumi.Output[Any]:
        gathered.append(len(parts))
        return gather(*parts, **named)

    monkeypatch.setattr(pulumi.Output, "all", staticmethod(counted))
    executed(begun)
    assert len(gathered) > RESOURCES, "the SDK makes none by itself: take name_at_once() away"
    gathered.clear()

    with brisk.undone():
        brisk.name_at_once()
        assert len(executed(begun).all("test:index:Thing")) == RESOURCES
    assert len(gathered) < RESOURCES


@pytest.mark.parametrize("parent", ["urn:pulumi:s::p::test:index:Parent::it", "", "urn:pulumi:s::p::a$b::it", None])
def test_a_urn_written_at_once_is_that_of_the_sdk(parent: str | None) -> None:
    def urn() -> pulumi.Output[str]:
        return registration.create_urn("it", "test:index:Thing", parent, "p", "s")

    alone = Recorder().run(urn)
    with brisk.undone():
        brisk.name_at_once()
        assert Recorder().run(urn) == alone


def test_a_cycle_is_refused_where_the_sdk_refuses_it() -> None:
    def verdicts() -> list[bool]:
        a, b, c, d = (type("Thing", (), {})() for _ in range(4))
        edges = [(a, b), (b, c), (c, a), (a, a), (d, a), (c, d), (a, b), (b, d), (a, c)]
        return [rpc.declare_dependency(*edge) for edge in edges]

    alone = verdicts()
    with brisk.undone():
        brisk.seek_few_cycles()
        assert verdicts() == alone
    assert set(alone) == {True, False}


def test_a_chain_of_resources_is_not_walked_again_for_each_that_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[object] = []
    walk = resource_cycle_breaker._reachable

    def counted(from_resource: pulumi.Resource, to_resource: pulumi.Resource) -> bool:
        walked.append(from_resource)
        return walk(from_resource, to_resource)

    monkeypatch.setattr(resource_cycle_breaker, "_reachable", counted)
    executed(begun)
    assert len(walked) >= RESOURCES - 1, "the SDK walks none by itself: take seek_few_cycles() away"
    walked.clear()

    with brisk.undone():
        brisk.seek_few_cycles()
        executed(begun)
    assert not walked


class Engine(resource_pb2_grpc.ResourceMonitorServicer):
    """An engine whose provider takes its time to start."""

    def __init__(self) -> None:
        self.asked = queue.Queue[str]()
        self.started = threading.Event()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802 -- the protocol's name
        self.asked.put(request.tok)
        self.started.wait(60)
        raise NotImplementedError


def test_a_provider_starts_while_the_program_goes_on() -> None:
    engine, server = Engine(), grpc.server(ThreadPoolExecutor(1))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(engine, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()

    def program() -> None:
        settings.configure(settings.Settings(project="p", stack="s", monitor=address))
        brisk.wake("pulumi-python")
        assert engine.asked.get(timeout=60).startswith("pulumi-python:")

    try:
        contextvars.copy_context().run(program)
    finally:
        engine.started.set()
        server.stop(grace=None).wait()


def test_a_program_in_a_process_with_more_to_do_leaves_nothing_switched_off() -> None:
    def switched() -> tuple[object, ...]:
        return (
            pulumi.log.debug,
            registration._get_stack_trace,
            registration.create_urn,
            rpc.declare_dependency,
            rpc.serialize_property,
            rpc.transfer_properties,
            rpc.resolve_outputs,
            gc.isenabled(),
        )

    before = switched()
    with brisk.undone():
        brisk.hush()
        brisk.name_at_once()
        brisk.seek_few_cycles()
        brisk.pass_plain_values()
        brisk.expect_no_answers()
        brisk.keep_garbage()
        assert not set(switched()) & set(before)
    assert switched() == before
