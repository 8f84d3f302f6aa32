"""What the pods of an app are told on a cluster, and what they may do."""

from typing import Any

import pytest

from infra.aws.node_groups import PROFILES
from infra.serving.pod import CACHE, TMP
from infra.serving.spec import ServingSpec
from infra.serving.variables import TOLD
from tests.infra.serving.rendered import BACKED, MODEL, RUNS, container, pod, pods, running, spec, told

EVERYWHERE = pytest.mark.parametrize("way", RUNS)
WITH_A_LIFE = pytest.mark.parametrize("way", ["standard", "deployment"])


def all_containers(of: ServingSpec) -> list[dict[str, Any]]:
    return [each for one in pods(of) for each in one["containers"]]


@EVERYWHERE
def test_no_container_may_do_more_than_it_needs(way: str) -> None:
    for each in all_containers(running(way)):
        may = each["securityContext"]
        assert may["runAsNonRoot"]
        assert may["runAsUser"] > 0
        assert may["readOnlyRootFilesystem"]
        assert not may["allowPrivilegeEscalation"]
        assert may["capabilities"] == {"drop": ["ALL"]}
        assert may["seccompProfile"] == {"type": "RuntimeDefault"}


@EVERYWHERE
def test_no_pod_shares_anything_with_its_node(way: str) -> None:
    for each in pods(running(way)):
        assert not {"hostNetwork", "hostPID", "hostIPC"} & each.keys()
        assert all("hostPath" not in volume for volume in each["volumes"])


@pytest.mark.parametrize("way", ["knative", "standard", "deployment"])
def test_no_pod_gets_a_token_of_the_api_server(way: str) -> None:
    assert pod(running(way))["automountServiceAccountToken"] is False


def test_rays_workers_get_no_token_but_its_head_which_starts_them() -> None:
    head, workers = pods(running("ray"))
    assert head["automountServiceAccountToken"]
    assert "serviceAccountName" not in head
    assert workers["automountServiceAccountToken"] is False


@EVERYWHERE
def test_services_are_not_told_by_environment(way: str) -> None:
    assert all(each["enableServiceLinks"] is False for each in pods(running(way)))


@EVERYWHERE
def test_memory_is_taken_as_it_is_asked_for(way: str) -> None:
    for each in all_containers(running(way)):
        assert each["resources"]["limits"]["memory"] == each["resources"]["requests"]["memory"]
        assert "cpu" in each["resources"]["requests"]
        assert "cpu" not in each["resources"]["limits"]


def test_cpu_is_asked_for_in_thousandths() -> None:
    assert container(spec(resources={"cpu": 1.5}))["resources"]["requests"]["cpu"] == "1500m"


@EVERYWHERE
def test_there_is_room_to_write_in_two_places(way: str) -> None:
    for each in pods(running(way)):
        volumes = {volume["name"]: volume for volume in each["volumes"]}
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in each["containers"][0]["volumeMounts"]}
        assert all("sizeLimit" in mounts[path]["emptyDir"] for path in (TMP, CACHE))


@WITH_A_LIFE
def test_a_pod_goes_on_until_nobody_sends_it_anything_and_then_drains(way: str) -> None:
    going = pod(running(way, limits={"drain_s": 30}))
    stays = going["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert stays > 0
    assert going["terminationGracePeriodSeconds"] > stays + 30


@WITH_A_LIFE
def test_pods_are_spread_over_zones(way: str) -> None:
    (spread,) = pod(running(way))["topologySpreadConstraints"]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    assert spread["labelSelector"]["matchLabels"]["app.kubernetes.io/name"] == "echo"


@pytest.mark.parametrize(("gpu", "seconds"), [(0, 60), (1, 900)])
def test_a_model_that_is_compiled_for_a_gpu_may_take_longer_to_start(gpu: int, seconds: int) -> None:
    probe = container(running("standard", resources={"gpu": gpu}))["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == seconds


@pytest.mark.parametrize("way", ["knative", "standard", "deployment"])
def test_a_start_may_take_as_long_as_the_spec_says(way: str) -> None:
    probe = container(running(way, ready_timeout_s=61))["startupProbe"]
    assert probe["httpGet"]["path"] == "/ready"
    assert 61 <= probe["periodSeconds"] * probe["failureThreshold"] < 61 + probe["periodSeconds"]


@pytest.mark.parametrize("way", ["knative", "standard", "deployment"])
def test_readiness_and_life_are_different_questions(way: str) -> None:
    asked = container(running(way))
    assert asked["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert asked["livenessProbe"]["httpGet"]["path"] == "/health"


def test_an_app_is_told_what_it_is_told_on_one_machine() -> None:
    known = told(
        spec(
            model={**MODEL, "alternative": {"name": "lite", "version": "2"}},
            batching={"max_batch": 4, "max_delay_ms": 2.5},
            limits={"queue": 7, "drain_s": 9},
            traffic={"timeout_s": 12, "max_body_bytes": 1000},
            resources={"cpu": 1.2},
            env={"TOP_K_PREDICTIONS": "5"},
        )
    )
    assert known["MODEL_NAME"] == "resnet50"
    assert known["MODEL_VERSION"] == "1.0.0"
    assert known["MODEL_ALTERNATIVE"] == "lite@2"
    assert known["MODEL_STORES"] == "s3://models/artefacts"
    assert (known["MAX_BATCH"], known["MAX_DELAY_MS"], known["QUEUE"]) == ("4", "2.5", "7")
    assert (known["DRAIN_S"], known["REQUEST_TIMEOUT_S"], known["MAX_UPLOAD_SIZE"]) == ("9", "12", "1000")
    assert (known["THREADS"], known["TOP_K_PREDICTIONS"]) == ("2", "5")


def test_a_need_is_found_by_its_name() -> None:
    assert told(spec(needs=["bert-sentiment"]))["BERT_SENTIMENT_URL"] == "http://bert-sentiment.serving"


@pytest.mark.parametrize(("way", "port"), [("standard", "8080"), ("deployment", "8080"), ("knative", None)])
def test_the_port_is_told_except_to_knative_which_tells_it_itself(way: str, port: str | None) -> None:
    assert told(running(way)).get("PORT") == port
    assert container(running(way))["ports"][0]["containerPort"] == 8080


def test_knative_is_spared_what_it_refuses() -> None:
    going = pod(running("knative"))
    assert not {"terminationGracePeriodSeconds", "topologySpreadConstraints", "securityContext"} & going.keys()
    assert "lifecycle" not in going["containers"][0]
    assert not {"PORT", "K_SERVICE", "PYTHONPATH"} & told(running("knative")).keys()


def test_secrets_are_files() -> None:
    asking = spec(database=True, objects=True, cache={"ttl_s": 60})
    known = told(asking, **BACKED)
    assert known["DATABASE_URL_FILE"] == "/var/run/secrets/modelserve/database/url"
    assert known["REDIS_URL_FILE"] == "/var/run/secrets/modelserve/redis/url"
    assert known["AWS_SHARED_CREDENTIALS_FILE"] == "/var/run/secrets/modelserve/s3/credentials"
    assert "DATABASE_URL" not in known
    held = {v["name"]: v["secret"]["secretName"] for v in pod(asking, **BACKED)["volumes"] if "secret" in v}
    assert held == {"database": "echo-database", "redis": "redis", "s3": "s3"}


def test_an_app_gets_no_secret_that_it_does_not_ask_for() -> None:
    plain = spec(model=None)
    assert all("secret" not in volume for volume in pod(plain, **BACKED)["volumes"])
    assert not [name for name in told(plain, **BACKED) if "AWS" in name or "DATABASE" in name or "REDIS" in name]


EVERYTHING: dict[str, Any] = {
    "model": {**MODEL, "also": ["2.0.0"], "alternative": {"name": "lite", "version": "1.0.0"}},
    "database": True,
    "objects": True,
    "cache": {"ttl_s": 60},
    "payloads": {"sample": 0.1},
    "resources": {"gpu": 1},
}


def test_whatever_the_platform_tells_an_app_app_yaml_cannot() -> None:
    known = told(spec(**EVERYTHING), **BACKED, reload_secret="reload").keys()
    assert known <= TOLD.keys()


def test_an_app_is_told_what_its_own_file_says_as_how_much_it_logs() -> None:
    assert told(spec(env={"LOG_LEVEL": "debug"}))["LOG_LEVEL"] == "debug"


@EVERYWHERE
def test_no_secret_stands_in_the_environment(way: str) -> None:
    asking = running(way, database=True, objects=True, cache={"ttl_s": 60})
    for each in pods(asking, **BACKED):
        assert all(variable.keys() == {"name", "value"} for variable in each["containers"][0]["env"])
        assert not [
            v["name"] for v in each["containers"][0]["env"] if v["name"].endswith(("PASSWORD", "_KEY", "TOKEN"))
        ]


@pytest.mark.parametrize("asked", [{"database": True}, {"objects": True}, {"cache": {"ttl_s": 60}}], ids=str)
def test_what_the_cluster_does_not_have_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"apps/echo/app.yaml asks for a \w+_(URL|URL_FILE) that the stack"):
        pods(spec(**asked))


def test_on_aws_a_role_takes_the_place_of_keys() -> None:
    known = told(spec(), service_account_role="arn:role")
    assert not {"AWS_SHARED_CREDENTIALS_FILE", "AWS_ENDPOINT_URL"} & known.keys()


def test_a_gpu_is_taken_whole_on_a_node_that_has_one() -> None:
    asking = spec(resources={"gpu": 1})
    assert container(asking)["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container(asking)["resources"]["requests"]["nvidia.com/gpu"] == "1"
    assert pod(asking)["nodeSelector"] == {"modelserve/pool": "gpu"}
    assert told(asking)["MODEL_DEVICE"] == "cuda"


def test_what_is_compiled_for_a_gpu_is_kept_where_a_pod_may_write() -> None:
    asking = spec(resources={"gpu": 1})
    writable = [mount["mountPath"] for mount in container(asking)["volumeMounts"] if not mount.get("readOnly")]
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        assert told(asking)[name].startswith(tuple(f"{folder}/" for folder in writable))
        assert name not in told(spec())


def test_the_gpu_nodes_let_such_a_pod_in() -> None:
    key, _, effect = PROFILES["gpu"].taint or ("", "", "")
    (tolerated,) = pod(spec(resources={"gpu": 1}))["tolerations"]
    assert (tolerated["key"], tolerated["operator"]) == (key, "Exists")
    assert tolerated["effect"].upper() == effect.replace("_", "")


@EVERYWHERE
def test_without_a_gpu_nothing_asks_for_its_nodes(way: str) -> None:
    for each in pods(running(way)):
        assert not {"nodeSelector", "tolerations"} & each.keys()
        assert "nvidia.com/gpu" not in each["containers"][0]["resources"]["limits"]


def test_an_apps_own_image_takes_the_place_of_the_shared_one() -> None:
    assert container(spec())["image"] == "registry.example/app:abc123"
    assert container(spec(image="other:1"))["image"] == "other:1"


def test_an_image_without_a_command_starts_as_it_was_built_to() -> None:
    assert container(spec())["command"] == ["python", "-m", "apps.runtime", "echo"]
    assert "command" not in container(spec(command=None, image="other:1"))
