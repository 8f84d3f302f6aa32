"""What the SDK spends on a plan beside asking the rules, spared.

It reads a resource anew for every rule, those about other types too: with the 620 of ``prod`` and SDK 1.21, 4.6 s of
the 7.2 s of CPU that the pack took. Tests compare what comes out with what the SDK alone says.
"""

# ruff: noqa: N802 (methods carry the names of the protocol)

import copy
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache, cached_property
from types import SimpleNamespace
from typing import Any

from google.protobuf import json_format
from pulumi_policy import EnforcementLevel
from pulumi_policy import policy as sdk

from pack.resource import Known, known
from pack.rule import Rule

RULES = "_PolicyAnalyzerServicer__policies"
"""The attribute in which the SDK keeps those of a pack."""

Servicer = sdk._PolicyAnalyzerServicer


class Analyzer(Servicer):
    """The SDK's side of the protocol, which asks only the rules about a resource's type."""

    def Analyze(self, request: Any, context: Any) -> Any:
        """What rules find; the others are not applicable."""
        about, others = _parted(self._rules, request.type)
        response = Servicer.Analyze(self._with(about), request, context)
        response.not_applicable.extend(
            sdk.proto.PolicyNotApplicable(policy_name=rule.name)
            for rule in others
            if self._get_enforcement_level(rule) != EnforcementLevel.DISABLED
        )
        return response

    def Remediate(self, request: Any, context: Any) -> Any:
        """What rules set right."""
        about, _ = _parted(self._rules, request.type)
        remedies = [rule for rule in about if rule.has_remediation()]
        if not remedies:
            return sdk.proto.RemediateResponse()
        return Servicer.Remediate(self._with(remedies), request, context)

    def AnalyzeStack(self, request: Any, context: Any) -> Any:
        """What rules about all resources together find; they share one reading of them."""
        with _reading_once():
            return Servicer.AnalyzeStack(self, request, context)

    @cached_property
    def _rules(self) -> tuple[Rule, ...]:
        return tuple(one for one in getattr(self, RULES) if isinstance(one, Rule))

    def _with(self, rules: list[Rule]) -> "Analyzer":
        made = copy.copy(self)
        setattr(made, RULES, rules)
        return made


@cache
def _parted(rules: tuple[Rule, ...], typ: str) -> tuple[list[Rule], list[Rule]]:
    """Those about a type, and the others."""
    return [one for one in rules if one.is_about(typ)], [one for one in rules if not one.is_about(typ)]


@contextmanager
def _reading_once() -> Generator[None]:
    """Let the SDK read each resource for the first rule alone; the others get what that got."""
    kept = {name: getattr(sdk, name) for name in ("json_format", "deserialize_properties", "unknown_checking_proxy")}
    sdk.json_format = SimpleNamespace(MessageToDict=_once(json_format.MessageToDict))
    sdk.deserialize_properties = _once(sdk.deserialize_properties)
    checking = sdk.unknown_checking_proxy
    sdk.unknown_checking_proxy = _once(lambda properties: Known(known(checking(properties))))
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(sdk, name, value)


def _once(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same, but that an object it was given before it answers from memory."""
    answers: dict[int, tuple[Any, Any]] = {}

    def remembering(given: Any) -> Any:
        if id(given) not in answers:
            # What was given is kept with it, so that nothing else gets its id.
            answers[id(given)] = given, read(given)
        return answers[id(given)][1]

    return remembering


def ask_by_type() -> None:
    """Have packs that are made from now on ask their rules by type."""
    sdk._PolicyAnalyzerServicer = Analyzer
