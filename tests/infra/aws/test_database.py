"""The database, without a cloud: what it makes, and what it must not."""

from functools import cache
from typing import Any

import pytest

from infra.aws.database import Database, DatabaseArgs
from tests.infra.aws.cloud import Cloud

INSTANCE = "aws:rds/instance:Instance"


def args(protected: bool = True, **changes: Any) -> DatabaseArgs:
    given: dict[str, Any] = {"storage_gib": 50, "max_storage_gib": 500, "multi_az": protected, "retention_days": 14}
    given |= changes
    return DatabaseArgs(
        ["subnet-a"],
        "sg-db",
        "arn:key",
        "arn:secrets-key",
        "arn:log-key",
        "db.r7g.large",
        protected=protected,
        **given,
    )


@cache
def made(protected: bool = True) -> tuple[Cloud, str | None]:
    cloud = Cloud()
    return cloud, cloud.run(lambda: Database("db", args(protected), cloud.opts).url)


def instance(protected: bool = True) -> dict[str, Any]:
    return made(protected)[0].only(INSTANCE)


def test_it_is_not_reachable_from_the_internet() -> None:
    assert instance()["publiclyAccessible"] is False
    assert instance()["vpcSecurityGroupIds"] == ["sg-db"]


def test_nobody_but_rds_makes_the_password() -> None:
    assert instance()["manageMasterUserPassword"]
    assert instance()["masterUserSecretKmsKeyId"] == "arn:secrets-key"
    assert "password" not in instance()


def test_the_password_changes_every_month() -> None:
    rotation = made()[0].only("aws:secretsmanager/secretRotation:SecretRotation")
    assert rotation["secretId"] == "arn:master"
    assert rotation["rotationRules"] == {"automaticallyAfterDays": 30}


def test_disk_snapshots_and_performance_data_are_encrypted() -> None:
    assert instance()["storageEncrypted"]
    assert instance()["kmsKeyId"] == instance()["performanceInsightsKmsKeyId"] == "arn:key"


def test_clients_without_tls_are_refused() -> None:
    parameters = {p["name"]: p["value"] for p in made()[0].only("aws:rds/parameterGroup:ParameterGroup")["parameters"]}
    assert parameters["rds.force_ssl"] == "1"
    assert parameters["ssl_min_protocol_version"] == "TLSv1.2"


def test_the_url_checks_the_server_and_carries_no_password() -> None:
    assert made()[1] == "postgresql://db.example:5432/modelserve?sslmode=verify-full"


def test_a_protected_database_refuses_to_go_and_leaves_a_snapshot() -> None:
    assert instance()["deletionProtection"]
    assert not instance()["skipFinalSnapshot"]
    assert instance()["finalSnapshotIdentifier"] == "db-final-beef"


def test_a_protected_database_is_protected_in_the_program_too() -> None:
    assert all(options.protect for options in made()[0].option(INSTANCE))


def test_an_unprotected_database_goes_with_all_it_left() -> None:
    assert not instance(protected=False)["deletionProtection"]
    assert instance(protected=False)["skipFinalSnapshot"]
    assert instance(protected=False)["deleteAutomatedBackups"]
    assert not any(options.protect for options in made(protected=False)[0].option(INSTANCE))


def test_its_log_is_kept_encrypted_and_not_for_ever() -> None:
    log = made()[0].only("aws:cloudwatch/logGroup:LogGroup")
    assert log["name"] == "/aws/rds/instance/db/postgresql"
    assert log["kmsKeyId"] == "arn:log-key"
    assert log["retentionInDays"] == 30


def test_backups_are_kept_for_as_long_as_told() -> None:
    assert instance()["backupRetentionPeriod"] == 14


@pytest.mark.parametrize("days", [0, 36])
def test_a_retention_that_rds_does_not_offer_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="give 1 to 35"):
        args(retention_days=days)


def test_a_disk_that_cannot_grow_is_refused() -> None:
    with pytest.raises(ValueError, match="give more than storage_gib 50"):
        args(max_storage_gib=50)
