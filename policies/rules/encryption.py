"""Encryption at rest."""

from pack.resource import UNKNOWN, Resource, Stack, dig
from pack.rule import Faults, StackFaults, rule, stack_rule

BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration*:*"


@rule(
    "aws:ebs/volume:Volume",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/instance:Instance",
    "kubernetes:storage.k8s.io/v1:StorageClass",
)
def disks_encrypted(resource: Resource) -> Faults:
    """Disks are encrypted.

    Set ``encrypted`` on volumes and on every disk of a launch template, and name the disk there: one that is only in
    the image is as the account's default has it. A StorageClass of the EBS driver says ``encrypted: "true"``.
    """
    if resource.isa("kubernetes:*"):
        if resource.get("provisioner") == "ebs.csi.aws.com" and not _on(resource.get("parameters", "encrypted")):
            yield 'parameters.encrypted is not "true"'
    elif resource.isa("aws:ebs/*"):
        if not _on(resource.get("encrypted")):
            yield "encrypted is not true"
    elif resource.isa("aws:ec2/instance:*"):
        disks = [resource.get("rootBlockDevice"), *resource.each("ebsBlockDevices")]
        if not all(_on(dig(disk, "encrypted")) for disk in disks):
            yield "rootBlockDevice or one of ebsBlockDevices is not encrypted"
    else:
        if not resource.get("blockDeviceMappings"):
            yield "blockDeviceMappings names no disk"
        for disk in resource.each("blockDeviceMappings"):
            # A mapping without ``ebs`` is a disk of the host itself, which its hardware encrypts.
            if dig(disk, "ebs") and not _on(dig(disk, "ebs", "encrypted")):
                yield f"{dig(disk, 'deviceName')} is not encrypted"


@rule("aws:rds/instance:Instance", "aws:rds/cluster:Cluster")
def database_encrypted(resource: Resource) -> Faults:
    """Databases are encrypted with a key of ours.

    Set ``storage_encrypted`` and ``kms_key_id``; changing either later replaces the database.
    """
    if not resource.get("storageEncrypted"):
        yield "storageEncrypted is not true"
    if not resource.get("kmsKeyId"):
        yield "kmsKeyId is missing: AWS's own key cannot be shared with a copy in another account, or withdrawn"


@rule("aws:elasticache/replicationGroup:ReplicationGroup")
def cache_encrypted(resource: Resource) -> Faults:
    """Caches are encrypted on disk and in snapshots.

    Set ``at_rest_encryption_enabled``; ElastiCache can only do so when the group is made.
    """
    if not _on(resource.get("atRestEncryptionEnabled")):
        yield "atRestEncryptionEnabled is not true"


@stack_rule()
def bucket_encrypted(stack: Stack) -> StackFaults:
    """Every bucket says how it is encrypted.

    Add a ``BucketServerSideEncryptionConfiguration`` for it, with ``aws:kms`` and a key of ours, or ``AES256`` where
    AWS delivers logs that it refuses to encrypt with KMS.
    """
    for bucket in stack.of(*BUCKETS):
        found = stack.leading_to(bucket, ENCRYPTION, "bucket")
        if not found and not bucket.get("serverSideEncryptionConfiguration"):
            yield "no BucketServerSideEncryptionConfiguration names this bucket", bucket


@rule("aws:eks/cluster:Cluster")
def cluster_secrets_encrypted(resource: Resource) -> Faults:
    """Kubernetes secrets are encrypted in etcd with a key of ours.

    Give the cluster an ``encryption_config`` for ``secrets`` with a KMS key; it cannot be taken away again.
    """
    if not {"secrets", UNKNOWN}.intersection(resource.each("encryptionConfig", "resources")):
        yield "encryptionConfig.resources does not list secrets"
    elif not resource.get("encryptionConfig", "provider", "keyArn"):
        yield "encryptionConfig.provider.keyArn is missing"


@rule("aws:ecr/repository:Repository")
def images_encrypted(resource: Resource) -> Faults:
    """Container images are encrypted with a key of ours.

    Give the repository an ``encryption_configurations`` entry of type ``KMS`` with its key; later means another
    repository.
    """
    found = resource.each("encryptionConfigurations")
    if not any(dig(one, "encryptionType") in ("KMS", "KMS_DSSE", UNKNOWN) and dig(one, "kmsKey") for one in found):
        yield "encryptionConfigurations has no KMS key"


@rule(
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:secretsmanager/secret:Secret",
    "aws:sns/topic:Topic",
    "aws:sqs/queue:Queue",
)
def key_of_ours(resource: Resource) -> Faults:
    """Logs, secrets, topics and queues are encrypted with a key of ours.

    Name a KMS key: then who may read is said in its policy too, and taking the key away closes all of them.
    """
    prop = "kmsMasterKeyId" if resource.isa("aws:s[nq]s/*") else "kmsKeyId"
    if not resource.get(prop):
        yield f"{prop} is missing"


@rule("aws:kms/key:Key")
def keys_rotate(resource: Resource) -> Faults:
    """Keys rotate every year.

    Set ``enable_key_rotation``: what they encrypted stays readable. Only symmetric keys can.
    """
    symmetric = resource.get("customerMasterKeySpec") in (None, "SYMMETRIC_DEFAULT")
    if symmetric and not _on(resource.get("enableKeyRotation")):
        yield "enableKeyRotation is not true"


def _on(value: object) -> bool:
    # Launch templates and ElastiCache take the word for the value.
    return value is UNKNOWN or value is True or value == "true"
