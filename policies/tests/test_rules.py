"""Every rule: what passes it, what does not, and that it waits for what is not known yet."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from rules import POLICIES
from tests import cases
from tests.judge import Case, faults

CASES: list[Case] = [
    case
    for module in pkgutil.iter_modules(cases.__path__)
    for case in importlib.import_module(f"tests.cases.{module.name}").CASES
]


def named(case: Case) -> str:
    return f"{case.rule}: {case.sentence}"


@pytest.mark.parametrize("case", [one for one in CASES if one.fault is None], ids=named)
def test_passes(case: Case) -> None:
    assert faults(case) == []


@pytest.mark.parametrize("case", [one for one in CASES if one.fault], ids=named)
def test_is_refused(case: Case) -> None:
    found = faults(case)
    assert any(str(case.fault) in fault for fault in found), found


@pytest.mark.parametrize("case", [one for one in CASES if one.fault is None], ids=named)
def test_what_passes_also_passes_before_its_values_are_known(case: Case) -> None:
    for resources in _less_known(case.resources):
        assert faults(replace(case, resources=resources)) == [], resources


@pytest.mark.parametrize("case", [one for one in CASES if one.fault], ids=named)
def test_what_is_refused_is_looked_at_without_crashing_before_its_values_are_known(case: Case) -> None:
    for resources in _less_known(case.resources):
        assert all(isinstance(fault, str) for fault in faults(replace(case, resources=resources)))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_has_a_case_that_passes_and_one_that_is_refused(policy: Any) -> None:
    assert {case.fault is None for case in CASES if case.rule == policy.name} == {True, False}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_says_what_it_wants_and_what_to_do(policy: Any) -> None:
    wanted, _, advice = policy.description.partition(". ")
    assert wanted
    assert advice.endswith(".")


def test_the_names_of_rules_are_unique() -> None:
    assert len({policy.name for policy in POLICIES}) == len(POLICIES)


def test_there_are_as_many_rules_as_the_platform_was_promised() -> None:
    assert len(POLICIES) >= 25


def _less_known(resources: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The same resources, one value at a time not known yet: a word, a list or a whole property."""
    for i, one in enumerate(resources):
        for props in _with_one_unknown(one.props):
            yield (*resources[:i], replace(one, props=props), *resources[i + 1 :])


def _with_one_unknown(value: Any) -> Iterator[Any]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        for less in (UNKNOWN_STRING_VALUE, *_with_one_unknown(inner)):
            if isinstance(value, Mapping):
                yield {**value, key: less}
            else:
                yield [*value[:key], less, *value[key + 1 :]]
