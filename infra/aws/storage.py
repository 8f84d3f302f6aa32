"""The buckets: models, data, and the log of who touched them. Private, versioned, encrypted, over TLS only."""

from __future__ import annotations  # a service's module is imported when it is used

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import s3

from infra.aws.policy import Statement, document


@dataclass(frozen=True)
class StorageArgs:
    """What the buckets need from their surroundings.

    Attributes:
        account_id: the account whose buckets and load balancers may deliver logs.
        kms_key_arn: encrypts models and data.
        log_retention_days: how long access logs are kept.
        protected: deletion is refused, and where it is forced the buckets stay with what they hold.
    """

    account_id: str
    kms_key_arn: pulumi.Input[str]
    log_retention_days: int
    protected: bool


class Storage(pulumi.ComponentResource):
    """The platform's buckets."""

    models: pulumi.Output[str]
    """Bucket of model artefacts, by name and version."""
    models_arn: pulumi.Output[str]
    """ARN of it, for grants."""
    data: pulumi.Output[str]
    """Bucket of pictures, training data, pipeline runs and telemetry."""
    data_arn: pulumi.Output[str]
    """ARN of it, for grants."""
    logs: pulumi.Output[str]
    """Bucket that load balancers (under ``alb/``) and the other buckets (under ``s3/``) log to."""

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Storage", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)

        # Log delivery refuses to write into a bucket with a KMS key as its default (S3 user guide, "Enabling Amazon S3
        # server access logging"; ELB, "Access logs"), so this one uses S3's own keys.
        logs = self._bucket(
            "logs", None, s3.BucketLifecycleConfigurationRuleExpirationArgs(days=args.log_retention_days)
        )
        policy = self._allow("logs", logs, self._deliveries(logs))
        # A load balancer tries the bucket when it is told to log there.
        self.logs = pulumi.Output.all(logs.bucket, policy.id).apply(lambda known: str(known[0]))

        models, self.models, self.models_arn = self._logged("models", logs)
        data, self.data, self.data_arn = self._logged("data", logs)
        self._allow("models", models)
        self._allow("data", data)
        self.register_outputs({"models": self.models, "data": self.data, "logs": self.logs})

    def _logged(self, part: str, logs: s3.Bucket) -> tuple[s3.Bucket, pulumi.Output[str], pulumi.Output[str]]:
        bucket = self._bucket(part, self._args.kms_key_arn)
        s3.BucketLogging(
            f"{self._name}-{part}",
            bucket=bucket.bucket,
            target_bucket=logs.bucket,
            target_prefix=f"s3/{part}/",
            opts=self._child,
        )
        return bucket, bucket.bucket, bucket.arn

    def _bucket(
        self,
        part: str,
        key_arn: pulumi.Input[str] | None,
        expiration: s3.BucketLifecycleConfigurationRuleExpirationArgs | None = None,
    ) -> s3.Bucket:
        name, protected = f"{self._name}-{part}", self._args.protected
        bucket = s3.Bucket(
            name,
            force_destroy=not protected,
            opts=pulumi.ResourceOptions(parent=self, protect=protected, retain_on_delete=protected),
        )
        s3.BucketOwnershipControls(
            name,
            bucket=bucket.bucket,
            rule=s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=self._child,
        )
        s3.BucketVersioning(
            name,
            bucket=bucket.bucket,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self._child,
        )
        s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.bucket,
            rules=[
                s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="aws:kms" if key_arn else "AES256", kms_master_key_id=key_arn
                    ),
                    # One call to KMS for many objects.
                    bucket_key_enabled=bool(key_arn),
                )
            ],
            opts=self._child,
        )
        s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.bucket,
            rules=[
                s3.BucketLifecycleConfigurationRuleArgs(
                    id="keep-current",
                    status="Enabled",
                    filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    expiration=expiration,
                    noncurrent_version_expiration=s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=90
                    ),
                    abort_incomplete_multipart_upload=s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                        days_after_initiation=7
                    ),
                    # Tiers by itself what nobody reads; needs no knowledge of who will.
                    transitions=None
                    if expiration
                    else [
                        s3.BucketLifecycleConfigurationRuleTransitionArgs(days=30, storage_class="INTELLIGENT_TIERING")
                    ],
                )
            ],
            opts=self._child,
        )
        return bucket

    def _allow(self, part: str, bucket: s3.Bucket, deliveries: Sequence[Statement] = ()) -> s3.BucketPolicy:
        name = f"{self._name}-{part}"
        block = s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child,
        )
        in_clear = Statement(
            ["s3:*"],
            [bucket.arn, pulumi.Output.concat(bucket.arn, "/*")],
            {"AWS": ["*"]},
            {"Bool": {"aws:SecureTransport": "false"}},
            effect="Deny",
        )
        return s3.BucketPolicy(
            name,
            bucket=bucket.bucket,
            policy=document(in_clear, *deliveries),
            # S3 refuses two changes of a bucket's access at once.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[block]),
        )

    def _deliveries(self, logs: s3.Bucket) -> list[Statement]:
        account = self._args.account_id
        return [
            Statement(
                ["s3:PutObject"],
                [pulumi.Output.concat(logs.arn, "/s3/*")],
                {"Service": ["logging.s3.amazonaws.com"]},
                {"StringEquals": {"aws:SourceAccount": account}},
            ),
            Statement(
                ["s3:PutObject"],
                [pulumi.Output.concat(logs.arn, f"/alb/AWSLogs/{account}/*")],
                {"Service": ["logdelivery.elasticloadbalancing.amazonaws.com"]},
            ),
        ]
