"""Encryption keys: one a purpose, so that who may decrypt one thing may not decrypt another."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import kms

from infra.aws.policy import Statement, document

ENCRYPT = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey")


@dataclass(frozen=True)
class EncryptionArgs:
    """What the keys need from their surroundings.

    Attributes:
        account_id: the AWS account that owns the keys; its IAM policies decide who uses them.
        region: AWS region of the keys and of the services that use them.
        deletion_window_days: how long a deleted key can be brought back, 7 to 30; what it encrypted is lost after.
    """

    account_id: str
    region: str
    deletion_window_days: int

    def __post_init__(self) -> None:
        # Limits of kms:ScheduleKeyDeletion.
        if not 7 <= self.deletion_window_days <= 30:
            raise ValueError(f"deletion_window_days is {self.deletion_window_days}; give 7 to 30")


class Encryption(pulumi.ComponentResource):
    """The platform's keys; each attribute is the ARN of one."""

    cluster: pulumi.Output[str]
    """Kubernetes secrets in the control plane's etcd."""
    volumes: pulumi.Output[str]
    """Disks of nodes and pods."""
    database: pulumi.Output[str]
    """Postgres, its snapshots and its performance data."""
    cache: pulumi.Output[str]
    """Redis disks and snapshots."""
    storage: pulumi.Output[str]
    """Buckets of models and data."""
    registry: pulumi.Output[str]
    """Container images."""
    secrets: pulumi.Output[str]
    """Secrets Manager entries."""
    logs: pulumi.Output[str]
    """CloudWatch log groups."""
    notices: pulumi.Output[str]
    """Topics that alarms and budgets are announced on."""

    def __init__(self, name: str, args: EncryptionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Encryption", name, None, opts)
        self._name, self._args = name, args

        self.cluster = self._key("cluster", "Kubernetes secrets")
        self.volumes = self._key("volumes", "disks of nodes and pods", self._through("ec2"))
        self.database = self._key("database", "Postgres")
        self.cache = self._key("cache", "Redis")
        self.storage = self._key("storage", "models and data")
        self.registry = self._key("registry", "container images")
        self.secrets = self._key("secrets", "secrets")
        self.logs = self._key("logs", "log groups", [self._log_groups()])
        self.notices = self._key("notices", "alarms and budgets", [self._announcers()])
        self.register_outputs(
            {
                "cluster": self.cluster,
                "volumes": self.volumes,
                "database": self.database,
                "cache": self.cache,
                "storage": self.storage,
                "registry": self.registry,
                "secrets": self.secrets,
                "logs": self.logs,
                "notices": self.notices,
            }
        )

    def _key(self, purpose: str, description: str, more: Sequence[Statement] = ()) -> pulumi.Output[str]:
        # In a key policy the resource "*" is the key itself. Without this statement nobody could administer it again
        # (KMS developer guide, "Default key policy").
        owner = f"arn:aws:iam::{self._args.account_id}:root"
        account = Statement(["kms:*"], ["*"], {"AWS": [owner]})
        name = f"{self._name}-{purpose}"
        key = kms.Key(
            name,
            description=f"{self._name}: {description}",
            enable_key_rotation=True,
            deletion_window_in_days=self._args.deletion_window_days,
            policy=document(account, *more),
            tags={"Name": name},
            opts=pulumi.ResourceOptions(parent=self),
        )
        kms.Alias(name, name=f"alias/{name}", target_key_id=key.id, opts=pulumi.ResourceOptions(parent=self))
        return key.arn

    def _through(self, service: str) -> list[Statement]:
        # Auto Scaling starts nodes with a role of its own, which may not exist in the account yet: naming it here
        # would fail. AWS's own key for EBS is opened the same way, to callers of the account who come through EC2.
        here = {
            "kms:CallerAccount": self._args.account_id,
            "kms:ViaService": f"{service}.{self._args.region}.amazonaws.com",
        }
        everyone = {"AWS": ["*"]}
        return [
            Statement(ENCRYPT, ["*"], everyone, {"StringEquals": here}),
            Statement(
                ["kms:CreateGrant"],
                ["*"],
                everyone,
                {"StringEquals": here, "Bool": {"kms:GrantIsForAWSResource": "true"}},
            ),
        ]

    def _log_groups(self) -> Statement:
        region, account = self._args.region, self._args.account_id
        return Statement(
            ENCRYPT,
            ["*"],
            {"Service": [f"logs.{region}.amazonaws.com"]},
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{account}:*"}},
        )

    def _announcers(self) -> Statement:
        return Statement(
            ["kms:Decrypt", "kms:GenerateDataKey*"],
            ["*"],
            {"Service": ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "costalerts.amazonaws.com"]},
            {"StringEquals": {"aws:SourceAccount": self._args.account_id}},
        )
