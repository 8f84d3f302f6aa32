"""The Postgres of the apps, MLflow and pipelines: private, encrypted, its password known to nobody."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, rds, secretsmanager
from pulumi_random import RandomId

from infra import versions


@dataclass(frozen=True)
class DatabaseArgs:
    """What a database needs from its surroundings.

    Attributes:
        subnet_ids: subnets without a way out, one per availability zone the database may use.
        security_group_id: lets in the cluster's pods on 5432 and nobody else.
        kms_key_arn: encrypts disk, snapshots and performance data.
        secrets_key_arn: encrypts the password that RDS makes and keeps in Secrets Manager.
        log_key_arn: encrypts the server's log.
        instance_class: RDS instance class, for example ``db.r7g.large``.
        storage_gib: disk at first, in GiB; it grows by itself up to ``max_storage_gib``.
        max_storage_gib: disk at most, in GiB.
        multi_az: a standby in a second zone that takes over by itself.
        retention_days: how far back any second can be restored, 1 to 35.
        protected: refuses deletion, and leaves a snapshot where it is deleted all the same.
        password_rotation_days: how often RDS changes the password.
        log_retention_days: how long the server's log is kept.
    """

    subnet_ids: pulumi.Input[list[str]]
    security_group_id: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    secrets_key_arn: pulumi.Input[str]
    log_key_arn: pulumi.Input[str]
    instance_class: str
    storage_gib: int
    max_storage_gib: int
    multi_az: bool
    retention_days: int
    protected: bool
    password_rotation_days: int = 30
    log_retention_days: int = 30

    def __post_init__(self) -> None:
        # 0 would switch point-in-time recovery off; 35 is RDS's limit.
        if not 1 <= self.retention_days <= 35:
            raise ValueError(f"retention_days is {self.retention_days}; give 1 to 35")
        if self.max_storage_gib <= self.storage_gib:
            raise ValueError(
                f"max_storage_gib is {self.max_storage_gib}; give more than storage_gib {self.storage_gib}"
            )


class Database(pulumi.ComponentResource):
    """A Postgres endpoint for the cluster."""

    address: pulumi.Output[str]
    """Host name; it stays the same through a failover."""
    port: pulumi.Output[int]
    """TCP port."""
    name: str
    """Name of the database made at first."""
    url: pulumi.Output[str]
    """``postgresql://`` URL without user or password; it insists on the server's certificate."""
    identifier: pulumi.Output[str]
    """The instance as CloudWatch names it."""
    secret_arn: pulumi.Output[str]
    """Secrets Manager entry with ``username`` and ``password``; RDS changes it on schedule."""

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Database", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.name = "modelserve"

        # RDS would make this group itself, unencrypted and for ever. It must be there first, and outlive the last line.
        log = cloudwatch.LogGroup(
            name,
            name=f"/aws/rds/instance/{name}/postgresql",
            retention_in_days=args.log_retention_days,
            kms_key_id=args.log_key_arn,
            opts=child,
        )
        subnets = rds.SubnetGroup(name, subnet_ids=args.subnet_ids, opts=child)
        parameters = rds.ParameterGroup(
            name,
            family=f"postgres{versions.POSTGRES}",
            parameters=[
                rds.ParameterGroupParameterArgs(name="rds.force_ssl", value="1"),
                rds.ParameterGroupParameterArgs(name="ssl_min_protocol_version", value="TLSv1.2"),
                rds.ParameterGroupParameterArgs(name="log_min_duration_statement", value="500"),
            ],
            opts=child,
        )
        instance = rds.Instance(
            name,
            identifier=name,
            engine="postgres",
            engine_version=versions.POSTGRES,
            # Only another major in infra/versions.py is one; without this RDS refuses it.
            allow_major_version_upgrade=True,
            auto_minor_version_upgrade=True,
            instance_class=args.instance_class,
            db_name=self.name,
            username="postgres",
            manage_master_user_password=True,
            master_user_secret_kms_key_id=args.secrets_key_arn,
            storage_type="gp3",
            allocated_storage=args.storage_gib,
            max_allocated_storage=args.max_storage_gib,
            storage_encrypted=True,
            kms_key_id=args.kms_key_arn,
            multi_az=args.multi_az,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[args.security_group_id],
            publicly_accessible=False,
            parameter_group_name=parameters.name,
            backup_retention_period=args.retention_days,
            copy_tags_to_snapshot=True,
            delete_automated_backups=not args.protected,
            deletion_protection=args.protected,
            skip_final_snapshot=not args.protected,
            final_snapshot_identifier=_snapshot(name, child) if args.protected else None,
            performance_insights_enabled=True,
            performance_insights_kms_key_id=args.kms_key_arn,
            enabled_cloudwatch_logs_exports=["postgresql"],
            # Changes to a protected database wait for its maintenance window.
            apply_immediately=not args.protected,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[log], protect=args.protected),
        )
        self.secret_arn = instance.master_user_secrets[0].secret_arn
        # RDS rotates this secret itself; no function of ours sees the password.
        secretsmanager.SecretRotation(
            name,
            secret_id=self.secret_arn,
            rotate_immediately=False,
            rotation_rules=secretsmanager.SecretRotationRotationRulesArgs(
                automatically_after_days=args.password_rotation_days
            ),
            opts=child,
        )

        self.address, self.identifier = instance.address, instance.identifier
        self.port = instance.port
        self.url = pulumi.Output.format("postgresql://{}:{}/{}?sslmode=verify-full", self.address, self.port, self.name)
        self.register_outputs(
            {"address": self.address, "port": self.port, "url": self.url, "secret_arn": self.secret_arn}
        )


def _snapshot(name: str, child: pulumi.ResourceOptions) -> pulumi.Output[str]:
    # A second database of this name must not fail to leave a snapshot because the first one left its own.
    return pulumi.Output.concat(name, "-final-", RandomId(f"{name}-final", byte_length=4, opts=child).hex)
