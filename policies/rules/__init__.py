"""The rules, a module a subject."""

from types import ModuleType

from pulumi_policy import Policy

from rules import compute, cost, data, encryption, exposure, iam, mesh, network, tags, transit, workloads
from rules import kubernetes as kubernetes

SUBJECTS: tuple[ModuleType, ...] = (
    encryption, transit, exposure, network, compute, data, iam, workloads, kubernetes, mesh, tags, cost
)  # fmt: skip
"""In the order of the page that lists them."""


def of(subject: ModuleType) -> list[Policy]:
    """The rules of one subject, in the order they are written."""
    return [value for value in vars(subject).values() if isinstance(value, Policy)]


POLICIES = [policy for subject in SUBJECTS for policy in of(subject)]
