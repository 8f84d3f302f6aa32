"""Encryption on the way."""

import json
from typing import Any

from tests.judge import Made, faulty, fine, made

CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
PARAMETERS = "aws:rds/parameterGroup:ParameterGroup"
LISTENER = "aws:lb/listener:Listener"
BUCKET = made("aws:s3/bucket:Bucket", "models")
DENIAL = {
    "Effect": "Deny",
    "Principal": {"AWS": ["*"]},
    "Action": ["s3:*"],
    "Resource": ["arn:aws:s3:::models", "arn:aws:s3:::models/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def policy(*statements: dict[str, Any]) -> Made:
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return made("aws:s3/bucketPolicy:BucketPolicy", "policy", leads_to={"bucket": "models"}, policy=text)


def parameters(**given: str) -> Made:
    listed = [{"name": name.replace("__", "."), "value": value} for name, value in given.items()]
    return made(PARAMETERS, family="postgres17", parameters=listed)


CASES = [
    fine("cache-over-tls", "TLS and a token", made(CACHE, transitEncryptionEnabled=True, authToken="token")),
    fine("cache-over-tls", "TLS and users", made(CACHE, transitEncryptionEnabled=True, userGroupIds=["apps"])),
    faulty("cache-over-tls", "clear text", "transitEncryptionEnabled", made(CACHE, authToken="token")),
    faulty("cache-over-tls", "TLS for everybody", "authToken", made(CACHE, transitEncryptionEnabled=True)),
    fine("database-over-tls", "TLS forced", parameters(rds__force_ssl="1", ssl_min_protocol_version="TLSv1.2")),
    fine("database-over-tls", "another kind of database", made(PARAMETERS, family="mysql8.4", parameters=[])),
    faulty("database-over-tls", "TLS not forced", "rds.force_ssl", parameters(rds__force_ssl="0")),
    faulty("database-over-tls", "TLS not spoken of", "rds.force_ssl", parameters(log_statement="all")),
    fine(
        "database-over-tls",
        "a database with parameters of its own",
        made("aws:rds/instance:Instance", engine="postgres", parameterGroupName="main"),
    ),
    faulty(
        "database-over-tls",
        "a database with AWS's parameters",
        "parameterGroupName",
        made("aws:rds/instance:Instance", engine="postgres"),
    ),
    fine("bucket-over-tls", "a bucket that denies clear text", BUCKET, policy(DENIAL)),
    faulty("bucket-over-tls", "a bucket without a policy", "no BucketPolicy", BUCKET),
    faulty(
        "bucket-over-tls", "a policy about other things", "does not deny", BUCKET, policy(DENIAL | {"Condition": {}})
    ),
    faulty(
        "bucket-over-tls",
        "a denial for one role alone",
        "does not deny",
        BUCKET,
        policy(DENIAL | {"Principal": {"AWS": ["arn:aws:iam::1:role/x"]}}),
    ),
    faulty(
        "bucket-over-tls", "an allowance for clear text", "does not deny", BUCKET, policy(DENIAL | {"Effect": "Allow"})
    ),
    fine(
        "listener-over-tls",
        "HTTPS of today",
        made(LISTENER, protocol="HTTPS", sslPolicy="ELBSecurityPolicy-TLS13-1-2-Res-2021-06"),
    ),
    fine(
        "listener-over-tls",
        "HTTP that leads to HTTPS",
        made(LISTENER, protocol="HTTP", defaultActions=[{"type": "redirect"}]),
    ),
    faulty(
        "listener-over-tls",
        "HTTPS of 2016",
        "ELBSecurityPolicy-2016-08 still takes",
        made(LISTENER, protocol="HTTPS", sslPolicy="ELBSecurityPolicy-2016-08"),
    ),
    faulty("listener-over-tls", "HTTPS as AWS's default has it", "still takes", made(LISTENER, protocol="HTTPS")),
    faulty(
        "listener-over-tls",
        "HTTP that answers",
        "plain HTTP",
        made(LISTENER, protocol="HTTP", defaultActions=[{"type": "forward"}]),
    ),
]
