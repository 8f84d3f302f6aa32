"""What keeps data: here where the cloud brings nothing, there where it does."""

import base64
import json
from typing import Any

from tests.infra.platform.cluster import dev, prod


def value(secret: dict[str, Any], key: str) -> str:
    return base64.b64decode(secret["data"][key]).decode()


def secret(seen: Any, namespace: str, name: str) -> dict[str, Any]:
    [found] = [one for one in seen.objects("Secret") if one["metadata"] == {"name": name, "namespace": namespace}]
    return found


def test_a_laptop_gets_its_own_stores_and_aws_gets_none() -> None:
    assert {one["metadata"]["name"] for one in dev().objects("StatefulSet")} == {"postgres", "object-store"}
    assert not prod().objects("StatefulSet")
    assert not {one["metadata"]["name"] for one in prod().objects("Deployment")} & {"redis", "object-store-admin"}


def test_everybody_has_a_database_and_a_user_of_their_own() -> None:
    given = secret(dev(), "serving", "images-database")
    assert value(given, "username") == value(given, "name") == "images"
    assert value(given, "password") != value(secret(dev(), "mlflow", "mlflow-database"), "password")
    assert value(given, "url") == (
        f"postgresql://images:{value(given, 'password')}@postgres.databases.svc.cluster.local:5432/images"
    )


def test_in_aws_databases_are_reached_over_tls_alone() -> None:
    url = value(secret(prod(), "serving", "images-database"), "url")
    assert url.endswith("@db.example.com:5432/images?sslmode=require")


def test_who_makes_databases_takes_no_password_as_an_argument() -> None:
    for one in dev().objects("Job"):
        if one["metadata"]["name"].startswith("make-") and one["metadata"]["name"] != "make-buckets":
            [container] = one["spec"]["template"]["spec"]["containers"]
            assert not container["args"]
            given = {v["name"]: v["valueFrom"]["secretKeyRef"]["name"] for v in container["env"] if "valueFrom" in v}
            assert given["PGPASSWORD"] == "postgres-admin"


def test_rds_master_secret_is_read_where_databases_are_made_and_nowhere_else() -> None:
    [found] = [one for one in prod().objects("ExternalSecret") if one["metadata"]["name"] == "postgres-admin"]
    assert found["metadata"]["namespace"] == "databases"
    assert {one["remoteRef"]["property"] for one in found["spec"]["data"]} == {"username", "password"}


def test_only_two_namespaces_may_ask_aws_for_secrets() -> None:
    store = prod().object("ClusterSecretStore", "aws")["spec"]
    assert store["conditions"] == [{"namespaces": ["serving", "databases"]}]
    assert "auth" not in store["provider"]["aws"]


def test_the_token_of_the_cache_is_put_into_its_url_by_the_operator() -> None:
    found = prod().object("ExternalSecret", "cache")["spec"]
    assert found["target"]["template"]["data"]["url"] == "rediss://:{{ .token | urlquery }}@cache.example.com:6379"


def test_a_laptops_cache_asks_for_a_password() -> None:
    configuration = value(secret(dev(), "cache", "redis"), "redis.conf")
    password = configuration.splitlines()[0].removeprefix("requirepass ")
    assert f":{password}@" in value(secret(dev(), "serving", "cache"), "url")


def test_a_key_opens_the_buckets_of_its_tenant_alone() -> None:
    listed = json.loads(value(secret(dev(), "object-store", "identities"), "s3.json"))["identities"]
    may = {one["name"]: {action.partition(":")[2] for action in one["actions"]} for one in listed}
    assert may["apps"] == {"models", "data"}
    assert may["loki"] == may["mlflow"] == {"logs"}
    assert "Admin" not in str(listed)
    keys = [one["credentials"][0]["secretKey"] for one in listed]
    assert len(set(keys)) == len(keys)


def test_the_keys_that_tenants_get_are_the_ones_that_open() -> None:
    listed = json.loads(value(secret(dev(), "object-store", "identities"), "s3.json"))["identities"]
    [apps] = [one["credentials"][0] for one in listed if one["name"] == "apps"]
    given = secret(dev(), "serving", "object-store")
    assert (value(given, "AWS_ACCESS_KEY_ID"), value(given, "AWS_SECRET_ACCESS_KEY")) == (
        apps["accessKey"],
        apps["secretKey"],
    )
    assert f"aws_secret_access_key = {apps['secretKey']}" in value(given, "credentials")


def test_every_bucket_that_is_used_is_made() -> None:
    job = dev().object("Job", "make-buckets")
    script = job["spec"]["template"]["spec"]["containers"][0]["args"][0]
    assert [line.split()[-1] for line in script.splitlines() if "bucket.create" in line] == ["data", "logs", "models"]


def test_in_aws_pods_take_roles_and_no_keys() -> None:
    assert not [one for one in prod().objects("Secret") if one["metadata"]["name"] == "object-store"]
    role = {one["metadata"]["name"]: one["metadata"].get("annotations", {}) for one in prod().objects("ServiceAccount")}
    assert role["mlflow"] == {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/mlflow-mlflow"}
    assert role["pipeline-runner"]["eks.amazonaws.com/role-arn"].endswith("kubeflow-pipeline-runner")
    loki = prod().releases()["loki"]["values"]
    assert loki["serviceAccount"]["annotations"]["eks.amazonaws.com/role-arn"].endswith("observability-loki")
    assert "extraEnvFrom" not in loki["singleBinary"]


def test_loki_keeps_to_its_part_of_the_bucket() -> None:
    told = prod().releases()["loki"]["values"]["loki"]["storage"]
    assert told["bucketNames"]["chunks"] == "prod-data"
    assert told["object_store"]["storage_prefix"] == "telemetry/loki"


def test_mlflow_answers_under_its_path_and_to_its_names_alone() -> None:
    [container] = dev().object("Deployment", "mlflow")["spec"]["template"]["spec"]["containers"]
    told = {one["name"]: one.get("value") for one in container["env"]}
    assert "--static-prefix=/mlflow" in container["args"]
    assert told["MLFLOW_SERVER_ALLOWED_HOSTS"] == "127.0.0.1.sslip.io:8443,mlflow.mlflow.svc.cluster.local:5000"
    assert told["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == "https://127.0.0.1.sslip.io:8443"


def test_mlflow_is_probed_by_a_name_that_it_answers_to() -> None:
    [container] = dev().object("Deployment", "mlflow")["spec"]["template"]["spec"]["containers"]
    hosts = next(one["value"] for one in container["env"] if one["name"] == "MLFLOW_SERVER_ALLOWED_HOSTS")
    for probe in ("readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["path"] == "/mlflow/health"
        assert asked["httpHeaders"][0]["value"] in hosts.split(",")


def test_gpus_are_shared_as_told_and_only_where_there_are_any() -> None:
    told = prod().releases()["nvidia-device-plugin"]["values"]["config"]
    assert told["default"] == "time-slicing"
    assert set(told["map"]) == {"exclusive", "time-slicing", "mig"}
    assert not dev().releases().keys() & {"nvidia-device-plugin", "dcgm-exporter"}


def test_the_load_balancer_controller_makes_none() -> None:
    told = prod().releases()["aws-load-balancer-controller"]["values"]
    assert not any(told[name] for name in ("enableServiceMutatorWebhook", "createIngressClassResource", "enableWafv2"))
    assert told["vpcId"] == "vpc-1"
