"""Data: what is kept, and what it takes to lose it."""

from pack.resource import UNKNOWN, Resource, Stack, dig
from pack.rule import Faults, StackFaults, rule, stack_rule
from rules.encryption import BUCKETS

DATABASES = ("aws:rds/instance:Instance", "aws:rds/cluster:Cluster")
REPOSITORY = "aws:ecr/repository:Repository"


@rule(*DATABASES, "aws:eks/cluster:Cluster", "aws:*lb/loadBalancer:LoadBalancer")
def deletion_refused(resource: Resource) -> Faults:
    """AWS refuses to delete databases, the cluster and its load balancer.

    Set ``deletion_protection`` (``enable_deletion_protection`` on a load balancer); who means it takes it off first.
    """
    prop = "enableDeletionProtection" if resource.isa("aws:*lb/*") else "deletionProtection"
    if not resource.get(prop):
        yield f"{prop} is not true"


@rule(*DATABASES)
def last_snapshot_kept(resource: Resource) -> Faults:
    """A database that is deleted leaves a snapshot.

    Leave ``skip_final_snapshot`` false and give ``final_snapshot_identifier``.
    """
    if resource.get("skipFinalSnapshot") is True:
        yield "skipFinalSnapshot is true"
    elif not resource.get("finalSnapshotIdentifier"):
        yield "finalSnapshotIdentifier is missing, without which deletion fails half-way"


@rule(*DATABASES, *BUCKETS, "aws:efs/fileSystem:FileSystem", "aws:dynamodb/table:Table")
def data_protected(resource: Resource) -> Faults:
    """Pulumi refuses to delete what holds data.

    Give it ``ResourceOptions(protect=True)``.
    """
    if not resource.protect:
        yield "the resource option protect is not set"


@rule(*BUCKETS, REPOSITORY)
def data_not_forced_away(resource: Resource) -> Faults:
    """A bucket or repository that holds something is not deleted with it.

    Leave ``force_destroy`` (``force_delete`` on a repository) false.
    """
    for prop in ("forceDestroy", "forceDelete"):
        if resource.get(prop) is True:
            yield f"{prop} is true"


@rule(
    *DATABASES,
    settings={"days": {"type": "integer", "minimum": 1, "maximum": 35, "default": 7}},
)
def backups_reach_back(resource: Resource) -> Faults:
    """Databases can be restored to any second of the last days.

    Set ``backup_retention_period`` to at least ``days``; 0, the default of RDS, switches backups off.
    """
    kept, wanted = resource.get("backupRetentionPeriod"), resource.config.get("days", 7)
    if kept is not UNKNOWN and (kept or 0) < wanted:
        yield f"backupRetentionPeriod is {kept or 0:.0f}, below {wanted:.0f}"


@stack_rule()
def bucket_versioned(stack: Stack) -> StackFaults:
    """Every bucket keeps what is overwritten.

    Add a ``BucketVersioning`` with status ``Enabled``, and a lifecycle rule that ends old versions.
    """
    for bucket in stack.of(*BUCKETS):
        found = stack.leading_to(bucket, "aws:s3/bucketVersioning*:*", "bucket")
        if not any(one.get("versioningConfiguration", "status") in ("Enabled", UNKNOWN) for one in found):
            yield "no BucketVersioning with status Enabled names this bucket", bucket


@rule(REPOSITORY)
def image_tags_immutable(resource: Resource) -> Faults:
    """A tag names one image for ever.

    Set ``image_tag_mutability`` to ``IMMUTABLE``: a rollback then gets what it had.
    """
    if resource.get("imageTagMutability") not in ("IMMUTABLE", UNKNOWN):
        yield "imageTagMutability is not IMMUTABLE"


@rule(REPOSITORY)
def images_scanned(resource: Resource) -> Faults:
    """Images are scanned for known vulnerabilities when they come in.

    Set ``image_scanning_configuration`` with ``scan_on_push=True``.
    """
    if not resource.get("imageScanningConfiguration", "scanOnPush"):
        yield "imageScanningConfiguration.scanOnPush is not true"


@rule("aws:rds/instance:Instance")
def password_with_rds(resource: Resource) -> Faults:
    """RDS makes the master password and keeps it in Secrets Manager.

    Set ``manage_master_user_password`` and give no ``password``: one that is given stays in the state.
    """
    if resource.get("password") is not None:
        yield "password is given"
    elif not resource.get("manageMasterUserPassword") and not dig(resource.props, "replicateSourceDb"):
        yield "manageMasterUserPassword is not true"
