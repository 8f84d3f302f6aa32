"""What the SDK spends on a plan beside asking the rules, spared.

It reads a resource anew for every rule, those about other types too: with the 620 of ``prod`` and SDK 1.21, 4.6 s of
the 7.2 s of CPU that the pack took. Tests compare what comes out with what the SDK alone says.
"""

# ruff: noqa: N802 (methods carry the names of the protocol)

import copy
from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from pulumi_policy import EnforcementLevel
from pulumi_policy import policy as sdk

from pack.rule import Rule

RULES = "_PolicyAnalyzerServicer__policies"
"""The attribute in which the SDK keeps those of a pack."""

Servicer = sdk._PolicyAnalyzerServicer


class Analyzer(Servicer):
    """The SDK's side of the protocol, which asks only the rules about a resource's type."""

    def Analyze(self, request: Any, context: Any) -> Any:
        """What rules find; the others are not applicable."""
        about, others = self._parted(lambda rule: rule.is_about(request.type))
        response = Servicer.Analyze(self._with(about), request, context)
        response.not_applicable.extend(
            sdk.proto.PolicyNotApplicable(policy_name=rule.name)
            for rule in others
            if self._get_enforcement_level(rule) != EnforcementLevel.DISABLED
        )
        return response

    def Remediate(self, request: Any, context: Any) -> Any:
        """What rules set right."""
        about, _ = self._parted(lambda rule: rule.has_remediation() and rule.is_about(request.type))
        if not about:
            return sdk.proto.RemediateResponse()
        return Servicer.Remediate(self._with(about), request, context)

    def AnalyzeStack(self, request: Any, context: Any) -> Any:
        """What rules about all resources together find; they share one reading of them."""
        sdk.json_format = _Once()
        try:
            return Servicer.AnalyzeStack(self, request, context)
        finally:
            sdk.json_format = json_format

    def _parted(self, asked: Callable[[Rule], bool]) -> tuple[list[Rule], list[Rule]]:
        rules = [one for one in getattr(self, RULES) if isinstance(one, Rule)]
        return [one for one in rules if asked(one)], [one for one in rules if not asked(one)]

    def _with(self, rules: list[Rule]) -> "Analyzer":
        made = copy.copy(self)
        setattr(made, RULES, rules)
        return made


class _Once:
    """``json_format``, with which the SDK reads resources, but for reading again what was read."""

    def __init__(self) -> None:
        self._read: dict[int, tuple[Message, dict[str, Any]]] = {}

    def MessageToDict(self, message: Message) -> dict[str, Any]:
        # The message is kept with it, so that no other one gets its id.
        if id(message) not in self._read:
            self._read[id(message)] = message, json_format.MessageToDict(message)
        return self._read[id(message)][1]

    def __getattr__(self, name: str) -> Any:
        return getattr(json_format, name)


def ask_by_type() -> None:
    """Have packs that are made from now on ask their rules by type."""
    sdk._PolicyAnalyzerServicer = Analyzer
