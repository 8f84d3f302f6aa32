"""Who may do what in AWS."""

import json
from typing import Any

from tests.judge import Made, faulty, fine, made

ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/1"
GITHUB = "token.actions.githubusercontent.com"


def allow(action: Any, resource: Any = "*", **more: Any) -> Made:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return made("aws:iam/rolePolicy:RolePolicy", policy=json.dumps({"Statement": [statement]}))


def trust(principal: Any, action: str = "sts:AssumeRole", **condition: Any) -> Made:
    statement = {"Effect": "Allow", "Action": action, "Principal": principal, "Condition": condition}
    return made("aws:iam/role:Role", assumeRolePolicy=json.dumps({"Statement": [statement]}))


def pod(operator: str = "StringEquals", **claims: Any) -> Made:
    return web(
        ISSUER, operator, **{"sub": "system:serviceaccount:apps:classifier", "aud": "sts.amazonaws.com", **claims}
    )


def web(issuer: str, operator: str, **claims: Any) -> Made:
    condition = {f"{issuer}:{claim}": value for claim, value in claims.items()}
    return trust(
        {"Federated": f"arn:aws:iam::1:oidc-provider/{issuer}"},
        "sts:AssumeRoleWithWebIdentity",
        **{operator: condition},
    )


CASES = [
    fine("grants-are-narrow", "one action on one bucket", allow("s3:GetObject", "arn:aws:s3:::models/*")),
    fine("grants-are-narrow", "an action that knows no resources", allow(["ec2:DescribeInstances"])),
    fine("grants-are-narrow", "all of one queue", allow("sqs:*", "arn:aws:sqs:eu-central-1:1:jobs")),
    fine("grants-are-narrow", "a denial of everything", allow("*", Effect="Deny")),
    fine("grants-are-narrow", "a document that is not JSON", made("aws:iam/policy:Policy", policy="{")),
    faulty("grants-are-narrow", "everything", "the action *", allow("*")),
    faulty("grants-are-narrow", "all of S3", "s3:* on *", allow(["s3:*"])),
    faulty("grants-are-narrow", "all but IAM", "NotAction", allow(None, NotAction="iam:*")),
    faulty(
        "grants-are-narrow",
        "everything, written into a role",
        "the action *",
        made("aws:iam/role:Role", inlinePolicies=[{"policy": allow("*").props["policy"]}]),
    ),
    fine("roles-passed-by-name", "one role", allow("iam:PassRole", "arn:aws:iam::1:role/node")),
    faulty("roles-passed-by-name", "any role", "iam:PassRole on *", allow(["iam:passrole"])),
    fine(
        "nobody-all-mighty",
        "a policy for nodes",
        made(ATTACHMENT, policyArn="arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"),
    ),
    faulty(
        "nobody-all-mighty",
        "an administrator",
        "AdministratorAccess",
        made(ATTACHMENT, policyArn="arn:aws:iam::aws:policy/AdministratorAccess"),
    ),
    faulty(
        "nobody-all-mighty",
        "a role born as administrator",
        "IAMFullAccess",
        made("aws:iam/role:Role", managedPolicyArns=["arn:aws:iam::aws:policy/IAMFullAccess"]),
    ),
    fine("trust-names-principals", "a service", trust({"Service": "ec2.amazonaws.com"})),
    faulty("trust-names-principals", "everybody", "everybody", trust("*")),
    faulty("trust-names-principals", "everybody of AWS", "everybody", trust({"AWS": "*"})),
    fine("identity-of-one-account", "one service account", pod()),
    fine("identity-of-one-account", "a service", trust({"Service": "eks.amazonaws.com"})),
    fine(
        "identity-of-one-account",
        "any branch of one repository",
        web(GITHUB, "StringLike", sub="repo:team/modelserve:*", aud="sts.amazonaws.com"),
    ),
    faulty(
        "identity-of-one-account",
        "every pod",
        "no condition on sub",
        web(ISSUER, "StringEquals", aud="sts.amazonaws.com"),
    ),
    faulty(
        "identity-of-one-account",
        "every pod of a namespace",
        "not StringEquals",
        pod("StringLike", sub="system:serviceaccount:apps:*"),
    ),
    faulty(
        "identity-of-one-account",
        "two service accounts",
        "not StringEquals with one",
        pod(sub=["system:serviceaccount:a:b", "system:serviceaccount:a:c"]),
    ),
    faulty("identity-of-one-account", "whoever claims no subject", "no condition on sub", pod("StringEqualsIfExists")),
    faulty(
        "identity-of-one-account",
        "a token for anybody",
        "no condition on aud",
        web(ISSUER, "StringEquals", sub="system:serviceaccount:a:b"),
    ),
    faulty(
        "identity-of-one-account",
        "any repository of a team",
        "the trust takes repo:team/*",
        web(GITHUB, "StringLike", sub="repo:team/*", aud="sts.amazonaws.com"),
    ),
    fine("no-long-lived-keys", "a user who has none", made("aws:iam/user:User", name="ci")),
    faulty(
        "no-long-lived-keys",
        "a password",
        "LoginProfile is",
        made("aws:iam/userLoginProfile:UserLoginProfile", user="x"),
    ),
    faulty("no-long-lived-keys", "an access key", "AccessKey is", made("aws:iam/accessKey:AccessKey", user="ci")),
]
