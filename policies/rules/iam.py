"""Who may do what in AWS."""

from collections.abc import Iterator

from pack.documents import GRANTS, Statement, allowing, conditions, everyone, grants, words
from pack.resource import Resource
from pack.rule import Faults, rule

ROLE = "aws:iam/role:Role"
ATTACHMENTS = (
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
    "aws:iam/policyAttachment:PolicyAttachment",
)
ALL_MIGHTY = ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess")
PASSES_ON = ("iam:passrole", "iam:*")


@rule(*GRANTS, ROLE)
def grants_are_narrow(resource: Resource) -> Faults:
    """No policy allows every action, or a service's every action on everything.

    Name the actions, or the resources they are for. ``NotAction`` allows all that it does not name.
    """
    for statement in grants(resource):
        actions = [str(one) for one in words(statement.get("Action"))]
        wide = [one for one in actions if one.endswith(":*")]
        if "*" in actions:
            yield "allows the action *"
        elif statement.get("NotAction"):
            yield "allows everything but its NotAction"
        elif wide and "*" in words(statement.get("Resource")):
            yield f"allows {', '.join(wide)} on *"


@rule(*GRANTS, ROLE)
def roles_passed_by_name(resource: Resource) -> Faults:
    """Who may pass roles on may pass named ones.

    Give ``iam:PassRole`` the role's ARN: on ``*`` it hands out every right in the account.
    """
    for statement in grants(resource):
        passes = any(str(action).lower() in PASSES_ON for action in words(statement.get("Action")))
        if passes and "*" in words(statement.get("Resource")):
            yield "allows iam:PassRole on *"


@rule(*ATTACHMENTS, ROLE)
def nobody_all_mighty(resource: Resource) -> Faults:
    """Nobody gets AWS's policies for administrators.

    Write a policy with what is needed; people get their rights from the identity provider, not from a stack.
    """
    for arn in [resource.get("policyArn"), *resource.each("managedPolicyArns")]:
        if str(arn).rpartition("/")[2] in ALL_MIGHTY:
            yield f"attaches {arn}"


@rule(ROLE)
def trust_names_principals(resource: Resource) -> Faults:
    """A role can be taken by whom its trust policy names, never by everybody.

    Name services, roles or accounts.
    """
    for statement in allowing(resource.get("assumeRolePolicy")):
        if everyone(statement):
            yield "assumeRolePolicy lets everybody take the role"


@rule(ROLE)
def identity_of_one_account(resource: Resource) -> Faults:
    """A pod's role can be taken by one service account (IRSA), a pipeline's by one repository.

    Condition the trust with ``StringEquals`` on ``<issuer>:sub`` and ``<issuer>:aud``, without ``*``.
    """
    for statement in allowing(resource.get("assumeRolePolicy")):
        if "sts:AssumeRoleWithWebIdentity" in words(statement.get("Action")):
            yield from _web_identity_faults(statement)


@rule("aws:iam/user:User", "aws:iam/accessKey:AccessKey", "aws:iam/userLoginProfile:UserLoginProfile")
def no_long_lived_keys(resource: Resource) -> Faults:
    """Nobody gets an access key or a password of IAM: they stay valid when they have leaked.

    Use a role: IRSA for pods, OIDC for pipelines, the identity provider for people.
    """
    if not resource.isa("*:User"):
        yield f"{resource.type.rpartition(':')[2]} is a credential without an end"


def _web_identity_faults(statement: Statement) -> Iterator[str]:
    claims = {
        key.rpartition(":")[2]: (operator, values)
        for operator, key, values in conditions(statement)
        if not operator.endswith("IfExists")
    }
    operator, subjects = claims.get("sub", ("", []))
    if not subjects:
        yield "the trust has no condition on sub: every pod of the cluster may take the role"
        return
    if any(one.startswith("system:serviceaccount") for one in subjects):
        if operator != "StringEquals" or len(subjects) > 1:
            yield "the trust's condition on sub is not StringEquals with one service account"
    # What is after the repository, a branch or an environment, may vary.
    elif any("*" in ":".join(one.split(":")[:2]) for one in subjects):
        yield f"the trust takes {', '.join(subjects)}"
    if "aud" not in claims:
        yield "the trust has no condition on aud"
