"""IAM policy documents, typed, so that a grant on everything cannot be written by accident."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import pulumi

Strings = Sequence[pulumi.Input[str]]


@dataclass(frozen=True)
class Statement:
    """One statement of a policy.

    Attributes:
        actions: for example ``s3:GetObject``.
        resources: ARNs; ``*`` only for actions that know no resources, never together with a wildcard action.
        principals: who, by kind (``Service``, ``AWS``, ``Federated``); in resource and trust policies only.
        conditions: operator to key to values, as IAM writes them.
        effect: whether it allows or denies.

    Raises:
        ValueError: it would allow every action, or a service's every action on every resource.
    """

    actions: Sequence[str]
    resources: Strings = ()
    principals: Mapping[str, Strings | str] = field(default_factory=dict[str, Strings | str])
    conditions: Mapping[str, pulumi.Input[Mapping[str, Any]]] = field(
        default_factory=dict[str, pulumi.Input[Mapping[str, Any]]]
    )
    effect: Literal["Allow", "Deny"] = "Allow"

    def __post_init__(self) -> None:
        wide = [action for action in self.actions if action.endswith("*") and self.resources and "*" in self.resources]
        # In a key's or bucket's own policy (which names principals) "*" means that key or bucket alone.
        if self.effect == "Allow" and ("*" in self.actions or (wide and not self.principals)):
            raise ValueError(f"allows {wide or ['*']} on {list(self.resources)}: name the actions or the resources")


def document(*statements: Statement) -> pulumi.Output[str]:
    """Write statements as a policy document in JSON."""
    written = {"Version": "2012-10-17", "Statement": [_render(one) for one in statements]}
    # Output.json_dumps would make an output of every list, key and word in it, fifty a document.
    waiting = list(_outputs(written))
    return pulumi.Output.all(*waiting).apply(
        lambda known: json.dumps(_filled(written, dict(zip(map(id, waiting), known, strict=True))))
    )


def _outputs(part: object) -> Iterator[pulumi.Output[Any]]:
    if isinstance(part, pulumi.Output):
        yield cast(pulumi.Output[Any], part)
    elif isinstance(part, Mapping):
        for value in cast(Mapping[str, object], part).values():
            yield from _outputs(value)
    elif isinstance(part, list):
        for value in cast(list[object], part):
            yield from _outputs(value)


def _filled(part: object, known: Mapping[int, object]) -> object:
    if isinstance(part, pulumi.Output):
        return known[id(cast(object, part))]
    if isinstance(part, Mapping):
        return {key: _filled(value, known) for key, value in cast(Mapping[str, object], part).items()}
    if isinstance(part, list):
        return [_filled(value, known) for value in cast(list[object], part)]
    return part


def assumed_by(service: str) -> pulumi.Output[str]:
    """The trust policy of a role for one AWS service, for example ``ec2.amazonaws.com``."""
    return document(Statement(["sts:AssumeRole"], principals={"Service": [service]}))


def _render(statement: Statement) -> dict[str, Any]:
    rendered: dict[str, Any] = {"Effect": statement.effect, "Action": list(statement.actions)}
    if statement.resources:
        rendered["Resource"] = list(statement.resources)
    if statement.principals:
        rendered["Principal"] = dict(statement.principals)
    if statement.conditions:
        rendered["Condition"] = statement.conditions
    return rendered
