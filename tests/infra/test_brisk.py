"""What the SDK spends beside making resources, and that a program of ours is spared it."""

import asyncio
import contextvars
import enum
import gc
import logging
import queue
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pulumi
import pytest
from pulumi.runtime import mocks, resource_cycle_breaker, rpc, settings
from pulumi.runtime import resource as registration
from pulumi.runtime.proto import resource_pb2_grpc

from infra import brisk
from tests.recorder import Recorder
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


class Level(enum.StrEnum):
    """What is a text, and not only that."""

    HIGH = "high"


def test_plain_values_are_not_asked_what_they_are_and_arrive_as_they_would(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    is_resource = rpc.known_types.is_resource

    def counted(value: object) -> bool:
        asked.append(value)
        return is_resource(value)

    def sent() -> Any:
        return executed(made).only("test:index:Values")

    def made() -> None:
        plain = {"text": "a", "number": 1, "share": 0.5, "truth": True, "nothing": None, "many": ["b", 2, False, None]}
        told = {**plain, "level": Level.HIGH, "later": pulumi.Output.from_input("c"), "secret": pulumi.Output.secret(3)}
        pulumi.CustomResource("test:index:Values", "values", {**told, "inner": told})
        brisk.begin()

    monkeypatch.setattr(rpc.known_types, "is_resource", counted)
    alone = sent()
    assert "a" in asked, "the SDK asks no more by itself: take pass_plain_values() away"
    asked.clear()

    with brisk.undone():
        brisk.pass_plain_values()
        assert sent() == alone
    assert not [value for value in asked if type(value) in brisk.PLAIN]
    assert Level.HIGH in asked


def test_answers_that_nobody_can_ask_for_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    resolve = rpc.resolve_properties

    def counted(resolvers: Any, answer: object, *about: Any) -> None:
        read.extend(answer)
        resolve(resolvers, answer, *about)

    def sent() -> Any:
        return executed(made).only("test:index:After")

    def made() -> None:
        first = pulumi.CustomResource("test:index:First", "first", {"size": 1, "inner": {"size": 2}})
        after = pulumi.ResourceOptions(depends_on=[first])
        pulumi.CustomResource("test:index:After", "after", {"id_of": first.id, "urn_of": first.urn}, after)
        brisk.begin()

    monkeypatch.setattr(rpc, "resolve_properties", counted)
    alone = sent()
    assert read, "the SDK reads none by itself: take expect_no_answers() away"
    read.clear()

    with brisk.undone():
        brisk.expect_no_answers()
        assert sent() == alone
    assert not read


def test_outputs_that_a_class_declares_are_read() -> None:
    class Named(pulumi.CustomResource):
        size: pulumi.Output[int]

        def __init__(self) -> None:
            super().__init__("test:index:Named", "named", {"size": 1})

    def made() -> None:
        pulumi.CustomResource("test:index:After", "after", {"size_of": Named().size})
        brisk.begin()

    with brisk.undone():
        brisk.expect_no_answers()
        assert executed(made).only("test:index:After") == {"size_of": 1}


def test_a_resource_that_cannot_be_made_still_stops_the_program() -> None:
    class Refusing(Recorder):
        def new_resource(self, args: mocks.MockResourceArgs) -> Any:
            raise ValueError("no room")

    def made() -> None:
        pulumi.CustomResource("test:index:First", "first", {"size": 1})
        brisk.begin()

    with brisk.undone():
        brisk.expect_no_answers()
        with pytest.raises(ValueError, match="no room"):
            executed(made, cloud=Refusing())


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
