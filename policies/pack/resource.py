"""Resources as rules see them: plain values, and a mark where a value is not known yet.

During a preview much is unknown, down to single words of a document. The SDK raises at the first touch of such a
value, which would leave the rest of the resource unjudged; here it is a value of its own. Rules ask for what must be
there with ``not`` (an unknown value is true) and for what must not be with ``is True`` or ``==`` (it equals nothing but
itself), so that what is not known yet never counts against anybody. ``pulumi up`` asks again, with everything known.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from pulumi_policy import PolicyResource, ResourceValidationArgs
from pulumi_policy.proxy import UnknownValueError, _is_unknown


class Unknown:
    """A value that the engine cannot know before it has made something."""

    def __repr__(self) -> str:
        return "what is not known yet"


UNKNOWN = Unknown()


class Known(dict[str, Any]):
    """Properties that ``known`` has been through already; rules only read them."""


def known(value: Any) -> Any:
    """Plain dictionaries and lists of the engine's properties, unknown values marked."""
    if isinstance(value, Known):
        return value
    if _is_unknown(value):
        return UNKNOWN
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, i) for i in range(len(value))]
    return value


def _item(container: Any, key: Any) -> Any:
    try:
        return known(container[key])
    except UnknownValueError:
        return UNKNOWN


def dig(value: Any, *path: str) -> Any:
    """The value at a path; None where it ends early, UNKNOWN where part of it is not known yet."""
    for key in path:
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def each(value: Any, *path: str) -> list[Any]:
    """The elements of the list at a path; a single value, also one that is not known yet, as a list of it."""
    found = dig(value, *path)
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


@cache
def is_one_of(typ: str, patterns: tuple[str, ...]) -> bool:
    """Whether a type is one of these; ``*`` stands for anything."""
    return any(fnmatchcase(typ, pattern) for pattern in patterns)


@dataclass(frozen=True)
class Resource:
    """One resource.

    Attributes:
        type: Pulumi's type token.
        name: its name in the program.
        urn: where it stands in the stack.
        props: inputs as the provider has checked them.
        protect: the engine refuses to delete it.
        provider: properties of its provider.
        leads_to: URNs of the resources that a property's value comes from, by property.
        config: the settings of the rule that looks.
    """

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    protect: bool = False
    provider: Mapping[str, Any] = field(default_factory=dict)
    leads_to: Mapping[str, frozenset[str]] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stack(self) -> str:
        """Name of the stack (a URN is ``urn:pulumi:<stack>::<project>::<types>::<name>``)."""
        return self.urn.split("::")[0].removeprefix("urn:pulumi:")

    @property
    def project(self) -> str:
        """Name of the project."""
        return self.urn.split("::")[1]

    def get(self, *path: str) -> Any:
        """The value at a path of its properties; see ``dig``."""
        return dig(self.props, *path)

    def each(self, *path: str) -> list[Any]:
        """The elements at a path of its properties; see ``each``."""
        return each(self.props, *path)

    def isa(self, *patterns: str) -> bool:
        """Whether its type is one of these; ``*`` stands for anything, as in an API's versions."""
        return is_one_of(self.type, patterns)


class Stack:
    """All resources of a stack.

    Attributes:
        resources: in the engine's order.
        config: the settings of the rule that looks.
    """

    def __init__(self, resources: Sequence[Resource], config: Mapping[str, Any]) -> None:
        self.resources = resources
        self.config = config

    def of(self, *patterns: str) -> Iterator[Resource]:
        """Those of the given types."""
        return (one for one in self.resources if one.isa(*patterns))

    def leading_to(self, target: Resource, pattern: str, prop: str) -> list[Resource]:
        """Resources of a type whose property names the target: by its output, in so many words, or perhaps."""
        names = {target.get("bucket"), target.get("id"), target.get("arn"), target.get("name")} - {None}
        return [
            one
            for one in self.of(pattern)
            if target.urn in one.leads_to.get(prop, ())
            or (not one.leads_to.get(prop) and _may_meet(names, set(one.each(prop))))
        ]


def _may_meet(some: set[Any], others: set[Any]) -> bool:
    return bool(some and others and (some & others or UNKNOWN in some | others))


def judged(args: ResourceValidationArgs) -> Resource:
    """The resource that the engine asks about."""
    provider = known(args.provider.props) if args.provider else {}
    return Resource(
        args.resource_type,
        args.name,
        args.urn,
        known(args.props),
        args.opts.protect,
        provider,
        config=args.get_config(),
    )


def of_stack(made: PolicyResource) -> Resource:
    """A resource among those of its stack."""
    leads_to = {prop: frozenset(one.urn for one in needed) for prop, needed in made.property_dependencies.items()}
    provider = known(made.provider.props) if made.provider else {}
    return Resource(
        made.resource_type, made.name, made.urn, known(made.props), made.opts.protect, provider, leads_to=leads_to
    )
