"""Runs in AWS Lambda: gives a secret its next value, in the four steps that Secrets Manager calls.

The steps and their idempotency are those of "Rotation by Lambda function" in the Secrets Manager user guide: each may
come twice, and a value that is pending is used again.
"""

import os
from typing import Any, TypeAlias, TypedDict

Client: TypeAlias = Any
"""boto3 makes the classes of its clients at run time: there is no type to name."""


class Event(TypedDict):
    """What Secrets Manager sends."""

    Step: str
    SecretId: str
    ClientRequestToken: str


def handler(event: Event, _context: object) -> None:
    """Take one step; an exception makes Secrets Manager keep the old value and say so."""
    import boto3  # noqa: PLC0415  # pyright: ignore  # Lambda's own; not needed where the function is only uploaded.

    client: Client = boto3.client  # pyright: ignore
    cache = (os.environ["CACHE_SECRET_ARN"], os.environ["CACHE_GROUP"])
    rotate(event, client("secretsmanager"), client("elasticache"), *cache)


def rotate(event: Event, secrets: Client, elasticache: Client, cache_secret: str, cache_group: str) -> None:
    """Take one step of a rotation.

    Args:
        event: the step, the secret and the version to make.
        secrets: client of Secrets Manager.
        elasticache: client of ElastiCache.
        cache_secret: ARN of the secret that is the cache's token; any other is a value that only its readers know.
        cache_group: replication group that the token opens.

    Raises:
        ValueError: the step is not one of the four.
    """
    secret, version = event["SecretId"], event["ClientRequestToken"]
    match event["Step"]:
        case "createSecret":
            try:
                # The version is listed as pending before it has a value.
                secrets.get_secret_value(SecretId=secret, VersionId=version, VersionStage="AWSPENDING")
                return
            except secrets.exceptions.ResourceNotFoundException:
                pass
            value = secrets.get_random_password(PasswordLength=40, ExcludePunctuation=True)["RandomPassword"]
            secrets.put_secret_value(
                SecretId=secret, ClientRequestToken=version, SecretString=value, VersionStages=["AWSPENDING"]
            )
        case "setSecret":
            if secret == cache_secret:
                pending = secrets.get_secret_value(SecretId=secret, VersionId=version, VersionStage="AWSPENDING")
                # ROTATE lets clients in with the token before this one too, until the next rotation.
                elasticache.modify_replication_group(
                    ReplicationGroupId=cache_group,
                    AuthToken=pending["SecretString"],
                    AuthTokenUpdateStrategy="ROTATE",
                    ApplyImmediately=True,
                )
        case "testSecret":
            if secret == cache_secret:
                waiter = elasticache.get_waiter("replication_group_available")
                waiter.wait(ReplicationGroupId=cache_group)
        case "finishSecret":
            stages = secrets.describe_secret(SecretId=secret)["VersionIdsToStages"]
            current = next(known for known, held in stages.items() if "AWSCURRENT" in held)
            if current != version:
                secrets.update_secret_version_stage(
                    SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=version, RemoveFromVersionId=current
                )
        case unknown:
            raise ValueError(
                f"no step {unknown!r}; Secrets Manager calls createSecret, setSecret, testSecret, finishSecret"
            )
