"""What a pod may do in AWS: a role that one service account, and no other, may take (IRSA)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import iam

from infra.aws.policy import Statement, document

# IAM's limit of 64, less the hyphen and seven signs by which Pulumi makes a name unique.
LONGEST_NAME = 56


@dataclass(frozen=True)
class IdentityArgs:
    """What an identity needs from its surroundings.

    Attributes:
        provider_arn: the cluster's OIDC provider in IAM.
        issuer: the same provider's URL without ``https://``.
        namespace: Kubernetes namespace of the service account.
        service_account: its name; both are taken to the letter.
        statements: what it may do.
        managed_policies: AWS's own policies beside them, by name, where AWS maintains what an add-on needs.
    """

    provider_arn: pulumi.Input[str]
    issuer: pulumi.Input[str]
    namespace: str
    service_account: str
    statements: Sequence[Statement] = ()
    managed_policies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        who = f"{self.namespace}:{self.service_account}"
        if "*" in who or "" in (self.namespace, self.service_account):
            raise ValueError(f"{who} is not one service account; name its namespace and its name")


class Identity(pulumi.ComponentResource):
    """A role for one service account."""

    role_arn: pulumi.Output[str]
    """Goes into the service account's annotation ``eks.amazonaws.com/role-arn``."""

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Identity", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        subject = f"system:serviceaccount:{args.namespace}:{args.service_account}"
        claims = pulumi.Output.from_input(args.issuer).apply(
            lambda issuer: {f"{issuer}:sub": subject, f"{issuer}:aud": "sts.amazonaws.com"}
        )
        trust = Statement(
            ["sts:AssumeRoleWithWebIdentity"],
            principals={"Federated": [args.provider_arn]},
            conditions={"StringEquals": claims},
        )

        role = iam.Role(_within(name), assume_role_policy=document(trust), opts=child)
        grants: list[pulumi.CustomResource] = [
            iam.RolePolicyAttachment(
                f"{name}-{policy.rpartition('/')[2]}",
                role=role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=child,
            )
            for policy in args.managed_policies
        ]
        if args.statements:
            grants.append(iam.RolePolicy(name, role=role.id, policy=document(*args.statements), opts=child))

        # Whoever takes the role finds its grants in place, and keeps them until it is gone.
        self.role_arn = pulumi.Output.all(role.arn, *(grant.id for grant in grants)).apply(lambda known: str(known[0]))
        self.register_outputs({"role_arn": self.role_arn})


def _within(name: str) -> str:
    """A name that IAM takes: of one that is too long the first part, and a digest of the whole."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 1 - len(digest)]}-{digest}"
