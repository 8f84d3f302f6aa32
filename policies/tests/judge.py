"""Resources as the engine shows them to a policy, and what the policy finds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pulumi_policy import (
    Policy,
    PolicyCustomTimeouts,
    PolicyProviderResource,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.deserialize import deserialize_properties
from pulumi_policy.policy import _NotApplicableError
from pulumi_policy.proxy import unknown_checking_proxy

from rules import POLICIES

BY_NAME = {policy.name: policy for policy in POLICIES}


@dataclass(frozen=True)
class Made:
    """A resource of a program.

    Attributes:
        type: type token.
        props: its inputs.
        name: in the program.
        protect: the resource option.
        leads_to: names of the resources that a property's value comes from.
        provider: properties of its provider.
    """

    type: str
    props: Mapping[str, Any]
    name: str = "it"
    protect: bool = False
    leads_to: Mapping[str, str] = field(default_factory=dict)
    provider: Mapping[str, Any] = field(default_factory=dict)

    @property
    def urn(self) -> str:
        return f"urn:pulumi:prod::modelserve::{self.type}::{self.name}"


@dataclass(frozen=True)
class Case:
    """What a rule must say of some resources.

    Attributes:
        rule: its name.
        sentence: what the resources are, in words.
        resources: the stack.
        fault: part of what the rule must say; None where it must say nothing.
        settings: of the rule, beside its defaults.
    """

    rule: str
    sentence: str
    resources: tuple[Made, ...]
    fault: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def fine(rule: str, sentence: str, *resources: Made, **settings: Any) -> Case:
    return Case(rule, sentence, resources, None, settings)


def faulty(rule: str, sentence: str, fault: str, *resources: Made, **settings: Any) -> Case:
    return Case(rule, sentence, resources, fault, settings)


def made(kind: str, name: str = "it", protect: bool = False, leads_to: Any = None, **props: Any) -> Made:
    return Made(kind, props, name, protect, leads_to or {})


def under(provider: Mapping[str, Any], resource: Made) -> Made:
    """The resource, made by a provider that is set up like this."""
    return replace(resource, provider=provider)


def faults(case: Case) -> list[str]:
    """What the rule of a case finds; fails when none of the resources is its business."""
    policy = BY_NAME[case.rule]
    config = {**defaults(policy), **case.settings}
    found: list[str] = []
    if isinstance(policy, StackValidationPolicy):
        policy.validate(StackValidationArgs(_stack(case.resources), config), lambda fault, urn: found.append(fault))
        return found
    assert isinstance(policy, ResourceValidationPolicy)
    asked = [_ask(policy, arguments(one, config), found.append) for one in case.resources]
    assert any(asked), f"{case.rule} has nothing to say about {[one.type for one in case.resources]}"
    return found


def defaults(policy: Policy) -> dict[str, Any]:
    """The settings that the engine gives a policy where nobody gives any."""
    schema = policy.config_schema
    return {key: one["default"] for key, one in schema.properties.items() if "default" in one} if schema else {}


def arguments(one: Made, config: Mapping[str, Any], keep_secrets: bool = False) -> ResourceValidationArgs:
    props = unknown_checking_proxy(deserialize_properties(dict(one.props), keep_secrets))
    return ResourceValidationArgs(one.type, props, one.urn, one.name, _options(one), _provider(one), config)


def _ask(policy: ResourceValidationPolicy, args: ResourceValidationArgs, report: Callable[[str], None]) -> bool:
    try:
        policy.validate(args, lambda fault, urn: report(fault))
    except _NotApplicableError:
        return False
    return True


def _stack(resources: tuple[Made, ...]) -> list[PolicyResource]:
    seen = [
        PolicyResource(
            one.type,
            unknown_checking_proxy(deserialize_properties(dict(one.props))),
            one.urn,
            one.name,
            _options(one),
            _provider(one),
            None,
            [],
            {},
        )
        for one in resources
    ]
    for one, resource in zip(resources, seen, strict=True):
        for prop, name in one.leads_to.items():
            needed = [other for other in seen if other.name == name]
            assert needed, f"{one.name} leads to {name}, which is not in the stack"
            resource.property_dependencies[prop] = needed
    return seen


def _options(one: Made) -> PolicyResourceOptions:
    return PolicyResourceOptions(one.protect, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])


def _provider(one: Made) -> PolicyProviderResource:
    return PolicyProviderResource("pulumi:providers:aws", unknown_checking_proxy(dict(one.provider)), "urn", "default")
