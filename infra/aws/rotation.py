"""The rotation of secrets: a function that Secrets Manager calls on schedule, and may touch nothing else."""

from __future__ import annotations  # a service's module is imported when it is used

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_aws import cloudwatch, iam, lambda_, secretsmanager

from infra import versions
from infra.aws.policy import Statement, assumed_by, document

CODE = Path(__file__).with_name("rotate.py")
# The waiter for a cache that takes its new token gives up after ten minutes; Lambda's own limit is fifteen.
TIMEOUT_S = 14 * 60


@dataclass(frozen=True)
class RotationArgs:
    """What rotation needs from its surroundings.

    Attributes:
        account_id: the account that owns everything named here.
        region: AWS region of it.
        secret_arns: secrets to rotate, by name.
        cache_secret_arn: the one among them that is the cache's token.
        cache_group_id: replication group that this token opens.
        secrets_key_arn: encrypts the secrets.
        log_key_arn: encrypts the function's log.
        days: how often each secret changes.
        log_retention_days: how long the function's log is kept.
    """

    account_id: str
    region: str
    secret_arns: Mapping[str, pulumi.Input[str]]
    cache_secret_arn: pulumi.Input[str]
    cache_group_id: pulumi.Input[str]
    secrets_key_arn: pulumi.Input[str]
    log_key_arn: pulumi.Input[str]
    days: int = 30
    log_retention_days: int = 30


class Rotation(pulumi.ComponentResource):
    """A schedule for each secret, and the function behind all of them."""

    function_arn: pulumi.Output[str]
    """The function; its failures belong on a dashboard."""

    def __init__(self, name: str, args: RotationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Rotation", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        log = cloudwatch.LogGroup(
            name,
            name=f"/aws/lambda/{name}",
            retention_in_days=args.log_retention_days,
            kms_key_id=args.log_key_arn,
            opts=child,
        )
        role = iam.Role(name, assume_role_policy=assumed_by("lambda.amazonaws.com"), opts=child)
        grant = iam.RolePolicy(name, role=role.id, policy=document(*_allowed(args, log)), opts=child)
        function = lambda_.Function(
            name,
            name=name,
            runtime=versions.LAMBDA_PYTHON,
            architectures=["arm64"],
            handler=f"{CODE.stem}.handler",
            code=pulumi.AssetArchive({CODE.name: pulumi.FileAsset(str(CODE))}),
            role=role.arn,
            timeout=TIMEOUT_S,
            environment=lambda_.FunctionEnvironmentArgs(
                variables={"CACHE_SECRET_ARN": args.cache_secret_arn, "CACHE_GROUP": args.cache_group_id}
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[log, grant]),
        )
        permission = lambda_.Permission(
            name,
            function=function.name,
            action="lambda:InvokeFunction",
            principal="secretsmanager.amazonaws.com",
            source_account=args.account_id,
            opts=child,
        )
        for secret, arn in args.secret_arns.items():
            secretsmanager.SecretRotation(
                f"{name}-{secret}",
                secret_id=arn,
                rotation_lambda_arn=function.arn,
                # At once would change the token of a cache that has only just been made with it.
                rotate_immediately=False,
                rotation_rules=secretsmanager.SecretRotationRotationRulesArgs(automatically_after_days=args.days),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
            )

        self.function_arn = function.arn
        self.register_outputs({"function_arn": self.function_arn})


def _allowed(args: RotationArgs, log: cloudwatch.LogGroup) -> list[Statement]:
    group = pulumi.Output.concat(
        f"arn:aws:elasticache:{args.region}:{args.account_id}:replicationgroup:", args.cache_group_id
    )
    return [
        Statement(
            [
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecretVersionStage",
            ],
            list(args.secret_arns.values()),
        ),
        Statement(["secretsmanager:GetRandomPassword"], ["*"]),
        Statement(["kms:Decrypt", "kms:GenerateDataKey"], [args.secrets_key_arn]),
        Statement(["elasticache:ModifyReplicationGroup", "elasticache:DescribeReplicationGroups"], [group]),
        Statement(["logs:CreateLogStream", "logs:PutLogEvents"], [pulumi.Output.concat(log.arn, ":*")]),
    ]
