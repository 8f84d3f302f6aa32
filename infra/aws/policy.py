"""IAM policy documents, typed, so that a grant on everything cannot be written by accident."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

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
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [_render(one) for one in statements]})


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
