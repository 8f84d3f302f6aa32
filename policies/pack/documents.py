"""IAM policy documents, read."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pack.resource import UNKNOWN, Resource, dig

Statement = Mapping[str, Any]

GRANTS = {
    "aws:iam/policy:Policy": "policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/userPolicy:UserPolicy": "policy",
    "aws:iam/groupPolicy:GroupPolicy": "policy",
}
"""Types that say what somebody may do, and the property that holds the document."""


def statements(document: Any) -> list[Statement] | None:
    """The statements of a document in JSON; None where it is not known yet."""
    if document is UNKNOWN:
        return None
    if not document:
        return []
    try:
        read = json.loads(document) if isinstance(document, str) else document
    except json.JSONDecodeError:
        # The provider refuses it in its own words.
        return []
    return words(read.get("Statement")) if isinstance(read, dict) else []


def allowing(document: Any) -> Iterator[Statement]:
    """The known statements of a document that allow something."""
    return (one for one in statements(document) or () if one.get("Effect") == "Allow")


def grants(resource: Resource) -> Iterator[Statement]:
    """What a policy, or the policies written into a role, allow."""
    if prop := GRANTS.get(resource.type):
        yield from allowing(resource.get(prop))
    for inline in resource.each("inlinePolicies"):
        yield from allowing(dig(inline, "policy"))


def words(value: Any) -> list[Any]:
    """A list, where a document may say one thing without brackets."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def everyone(statement: Statement) -> bool:
    """Whether its principal is anybody at all."""
    principal = statement.get("Principal")
    return principal == "*" or (isinstance(principal, dict) and "*" in words(principal.get("AWS")))


def conditions(statement: Statement) -> Iterator[tuple[str, str, list[str]]]:
    """Operator, key and values of each condition."""
    for operator, keys in (statement.get("Condition") or {}).items():
        for key, values in keys.items():
            yield operator, key, [str(value) for value in words(values)]
