"""Encryption at rest."""

from typing import Any

from tests.judge import Made, faulty, fine, made

VOLUME = "aws:ebs/volume:Volume"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
MACHINE = "aws:ec2/instance:Instance"
CLASS = "kubernetes:storage.k8s.io/v1:StorageClass"
DATABASE = "aws:rds/instance:Instance"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
CLUSTER = "aws:eks/cluster:Cluster"
REPOSITORY = "aws:ecr/repository:Repository"
KEY = "aws:kms/key:Key"
BUCKET = made("aws:s3/bucket:Bucket", "models")


def template(**ebs: Any) -> Made:
    return made(TEMPLATE, blockDeviceMappings=[{"deviceName": "/dev/xvda", "ebs": ebs}])


def encryption(**how: Any) -> Made:
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    return made(kind, "encryption", **how)


CASES = [
    fine("disks-encrypted", "an encrypted volume", made(VOLUME, encrypted=True)),
    faulty("disks-encrypted", "a volume that says nothing", "encrypted is not true", made(VOLUME, size=10)),
    fine("disks-encrypted", "a template with an encrypted disk", template(encrypted="true")),
    faulty("disks-encrypted", "a template with a clear disk", "/dev/xvda", template(encrypted="false")),
    faulty("disks-encrypted", "a template that names no disk", "names no disk", made(TEMPLATE, imageId="ami-1")),
    fine(
        "disks-encrypted",
        "a machine whose disks are encrypted",
        made(MACHINE, rootBlockDevice={"encrypted": True}, ebsBlockDevices=[{"encrypted": True}]),
    ),
    faulty("disks-encrypted", "a machine with the image's disk", "rootBlockDevice", made(MACHINE, ami="ami-1")),
    fine(
        "disks-encrypted",
        "a storage class of encrypted disks",
        made(CLASS, provisioner="ebs.csi.aws.com", parameters={"encrypted": "true"}),
    ),
    fine("disks-encrypted", "a storage class of another driver", made(CLASS, provisioner="rancher.io/local-path")),
    faulty(
        "disks-encrypted",
        "a storage class of clear disks",
        "parameters.encrypted",
        made(CLASS, provisioner="ebs.csi.aws.com", parameters={"type": "gp3"}),
    ),
    fine("database-encrypted", "a key of ours", made(DATABASE, storageEncrypted=True, kmsKeyId="arn:key")),
    faulty("database-encrypted", "AWS's own key", "kmsKeyId", made(DATABASE, storageEncrypted=True)),
    faulty("database-encrypted", "no encryption", "storageEncrypted", made(DATABASE, kmsKeyId="arn:key")),
    fine("cache-encrypted", "an encrypted cache", made(CACHE, atRestEncryptionEnabled=True)),
    faulty("cache-encrypted", "a cache that says nothing", "atRestEncryptionEnabled", made(CACHE, engine="redis")),
    fine(
        "bucket-encrypted",
        "a bucket and its encryption",
        BUCKET,
        encryption_of_models := made(
            encryption().type, "encryption", leads_to={"bucket": "models"}, rules=[{"bucketKeyEnabled": True}]
        ),
    ),
    fine(
        "bucket-encrypted",
        "a bucket whose encryption names it in so many words",
        made("aws:s3/bucket:Bucket", bucket="models-1"),
        encryption(bucket="models-1"),
    ),
    faulty("bucket-encrypted", "a bucket alone", "no BucketServerSideEncryption", BUCKET),
    faulty(
        "bucket-encrypted",
        "a bucket beside the encryption of another",
        "no BucketServerSideEncryption",
        BUCKET,
        made("aws:s3/bucket:Bucket", "data"),
        encryption_of_models,
    ),
    fine(
        "cluster-secrets-encrypted",
        "a key for secrets",
        made(CLUSTER, encryptionConfig={"resources": ["secrets"], "provider": {"keyArn": "arn:key"}}),
    ),
    faulty("cluster-secrets-encrypted", "no encryption", "does not list secrets", made(CLUSTER, name="prod")),
    faulty(
        "cluster-secrets-encrypted",
        "no key",
        "keyArn",
        made(CLUSTER, encryptionConfig={"resources": ["secrets"], "provider": {}}),
    ),
    fine(
        "images-encrypted",
        "a key of ours",
        made(REPOSITORY, encryptionConfigurations=[{"encryptionType": "KMS", "kmsKey": "arn:key"}]),
    ),
    faulty(
        "images-encrypted",
        "AES256",
        "no KMS key",
        made(REPOSITORY, encryptionConfigurations=[{"encryptionType": "AES256"}]),
    ),
    fine("key-of-ours", "a log group with a key", made("aws:cloudwatch/logGroup:LogGroup", kmsKeyId="arn:key")),
    faulty("key-of-ours", "a log group without", "kmsKeyId", made("aws:cloudwatch/logGroup:LogGroup", name="x")),
    faulty("key-of-ours", "a secret without a key", "kmsKeyId", made("aws:secretsmanager/secret:Secret", name="x")),
    fine("key-of-ours", "a topic with a key", made("aws:sns/topic:Topic", kmsMasterKeyId="arn:key")),
    faulty("key-of-ours", "a topic without a key", "kmsMasterKeyId", made("aws:sns/topic:Topic", name="x")),
    faulty("key-of-ours", "a queue without a key", "kmsMasterKeyId", made("aws:sqs/queue:Queue", name="x")),
    fine("keys-rotate", "a key that rotates", made(KEY, enableKeyRotation=True)),
    fine("keys-rotate", "a key for signatures, which cannot", made(KEY, customerMasterKeySpec="ECC_NIST_P256")),
    faulty("keys-rotate", "a key that stays", "enableKeyRotation", made(KEY, description="models")),
]
