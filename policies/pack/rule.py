"""Turns a function that finds faults into a policy of the pack, described by the function's own docstring."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from pack.resource import Resource, Stack, is_one_of, judged, of_stack

Schema = Mapping[str, dict[str, Any]]
Faults = Iterator[str]
"""What is wrong with a resource, a sentence each."""
StackFaults = Iterator[tuple[str, Resource | None]]
"""What is wrong, and with which resource; None is the stack as a whole."""
Remedy = Callable[[Resource], Mapping[tuple[str, ...], Any]]
"""What puts a resource right: values by path of its properties."""


class Rule(ResourceValidationPolicy):
    """A policy about resources of some types.

    Attributes:
        types: type tokens; ``*`` stands for anything.
    """

    def __init__(self, types: tuple[str, ...], name: str, description: str, **rest: Any) -> None:
        super().__init__(name, description, **rest)
        self.types = types

    def is_about(self, typ: str) -> bool:
        """Whether it has something to say about a type."""
        return is_one_of(typ, self.types)


def rule(
    *types: str, settings: Schema | None = None, remedy: Remedy | None = None
) -> Callable[[Callable[[Resource], Faults]], Rule]:
    """Make a policy that looks at each resource of some types.

    Args:
        types: type tokens; ``*`` stands for anything.
        settings: JSON schema of each setting, with its default.
        remedy: sets right what can be, before anything is judged.
    """

    def make(find: Callable[[Resource], Faults]) -> Rule:
        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            if not is_one_of(args.resource_type, types):
                args.not_applicable()
            for fault in find(judged(args)):
                report(fault, None)

        def remediate(args: ResourceValidationArgs) -> Mapping[str, Any] | None:
            changes = remedy(judged(args)) if remedy and is_one_of(args.resource_type, types) else {}
            for path, value in changes.items():
                _put(args.props, path, value)
            return args.props if changes else None

        name, description = _described(find)
        return Rule(
            types,
            name,
            description,
            validate=validate,
            enforcement_level=EnforcementLevel.REMEDIATE if remedy else None,
            config_schema=_schema(settings),
            remediate=remediate if remedy else None,
        )

    return make


def stack_rule(settings: Schema | None = None) -> Callable[[Callable[[Stack], StackFaults]], StackValidationPolicy]:
    """Make a policy that looks at all resources of a stack together.

    The engine asks before it makes anything, in a preview, and once more after everything is made.

    Args:
        settings: JSON schema of each setting, with its default.
    """

    def make(find: Callable[[Stack], StackFaults]) -> StackValidationPolicy:
        def validate(args: StackValidationArgs, report: ReportViolation) -> None:
            stack = Stack([of_stack(one) for one in args.resources], args.get_config())
            for fault, resource in find(stack):
                report(fault, resource.urn if resource else None)

        name, description = _described(find)
        return StackValidationPolicy(name, description, validate, config_schema=_schema(settings))

    return make


def _described(find: Callable[..., object]) -> tuple[str, str]:
    text = inspect.getdoc(find)
    if not text:
        raise TypeError(f"{find.__name__} has no docstring; say what the rule wants, and what to do about it")
    # The engine shows it as it is, to people and on pages in Markdown.
    return find.__name__.replace("_", "-"), " ".join(text.split()).replace("``", "`")


def _schema(settings: Schema | None) -> PolicyConfigSchema | None:
    return PolicyConfigSchema(dict(settings)) if settings else None


def _put(props: Any, path: tuple[str, ...], value: Any) -> None:
    # In place: only for as long as they are not copied do the SDK's properties keep secrets secret.
    *folders, leaf = path
    for folder in folders:
        if folder not in props:
            props[folder] = {}
        props = props[folder]
    props[leaf] = value
