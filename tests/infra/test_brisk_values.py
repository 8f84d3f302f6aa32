"""What the SDK spends on values that go to the engine and come back, and that a program of ours is spared it."""

import enum
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, rpc

from infra import brisk
from tests.recorder import Recorder, executed


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
