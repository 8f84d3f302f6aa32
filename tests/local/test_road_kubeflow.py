"""The training as a pipeline of Kubeflow's, compiled: its steps, what they get, and what is in no part of it."""

import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from infra.platform import kubeflow
from tests.infra.platform.cluster import dev
from toolchain import places

PYTHON = places.TRAINING / "bin" / "python"

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(not PYTHON.exists(), reason="Kubeflow's compiler is among 6 GB of packages: make training"),
]

Compiled = tuple[dict[str, Any], dict[str, Any]]
"""A pipeline, and what Kubernetes gives to each of its executors."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Compiled]:
    """A pipeline as the command writes it."""
    file = tmp_path_factory.mktemp("pipeline") / "train-road.yaml"

    def compile_with(*more: str) -> Compiled:
        given = ["--compile-only", "--out", str(file), "--training-image", "registry.example/train:1"]
        given += ["--source-data-bucket", "data", "--mlflow", "http://mlflow.example/mlflow", *more]
        command = [str(PYTHON), "-m", "models.road.run_train_pipeline", *given]
        keys = {"MINIO_ACCESS_KEY": "an-access-key", "MINIO_SECRET_KEY": "a-secret-key", "RELOAD_TOKEN": "a-token"}
        environment = os.environ | keys
        done = subprocess.run(
            command, cwd=places.CHECKOUT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert not [key for key in keys.values() if key in file.read_text()]
        pipeline, platform = yaml.safe_load_all(file.read_text())
        return pipeline, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]

    return compile_with


@pytest.fixture(scope="module")
def whole(compiled: Callable[..., Compiled]) -> Compiled:
    """With all that can be asked for."""
    return compiled("--minio-endpoint", "http://objects.example:8333", "--app", "https://models.example/dry-wet-model")


def tasks(pipeline: dict[str, Any]) -> dict[str, Any]:
    return pipeline["root"]["dag"]["tasks"]


def defaults(pipeline: dict[str, Any]) -> dict[str, Any]:
    return {name: told["defaultValue"] for name, told in pipeline["root"]["inputDefinitions"]["parameters"].items()}


def test_it_has_the_same_steps(whole: Compiled) -> None:
    assert set(tasks(whole[0])) == {"fetch", "train", "evaluate", "register", "promote", "reload"}


def test_each_step_is_tried_again(whole: Compiled) -> None:
    assert {task["retryPolicy"]["maxRetryCount"] for task in tasks(whole[0]).values()} == {2}


def test_each_step_has_the_image(whole: Compiled) -> None:
    executors = whole[0]["deploymentSpec"]["executors"].values()
    assert {each["container"]["image"] for each in executors} == {"registry.example/train:1"}


def test_what_was_given_is_what_a_run_takes_unless_told_otherwise(whole: Compiled) -> None:
    assert defaults(whole[0]) == {
        "minio_endpoint": "http://objects.example:8333",
        "source_data_bucket": "data",
        "source_data_object": "road.zip",
        "destination_model_bucket": "models",
        "destination_model_name": "road",
        "mlflow": "http://mlflow.example/mlflow",
        "app": "https://models.example/dry-wet-model",
    }


def test_every_secret_and_key_that_a_step_takes_is_one_of_the_platforms(whole: Compiled) -> None:
    there = {
        (each["metadata"]["name"], key)
        for each in dev().objects("Secret")
        if each["metadata"]["namespace"] == kubeflow.HOME
        for key in each["data"]
    }
    taken = {
        name: {
            (secret["secretName"], pair["secretKey"]): pair["envVar"]
            for secret in told["secretAsEnv"]
            for pair in secret["keyToEnv"]
        }
        for name, told in whole[1].items()
        if "secretAsEnv" in told
    }
    keys = {
        ("object-store", "AWS_ACCESS_KEY_ID"): "MINIO_ACCESS_KEY",
        ("object-store", "AWS_SECRET_ACCESS_KEY"): "MINIO_SECRET_KEY",
    }
    assert taken == {
        "exec-fetch": keys,
        "exec-register": keys,
        "exec-reload": {("model-reload", "token"): "RELOAD_TOKEN"},
    }
    assert {each for one in taken.values() for each in one} <= there


def test_on_aws_steps_do_without_the_stores_secret_and_no_app_is_told(compiled: Callable[..., Compiled]) -> None:
    pipeline, executors = compiled()
    assert defaults(pipeline)["minio_endpoint"] == ""
    assert "reload" not in tasks(pipeline)
    assert [secret["optional"] for told in executors.values() for secret in told.get("secretAsEnv", ())] == [True] * 2


def test_other_secrets_can_be_named(compiled: Callable[..., Compiled]) -> None:
    named = ["--minio-secret", "my-keys", "--reload-secret", "my-token", "--minio-endpoint", "http://objects.example"]
    _, executors = compiled(*named, "--app", "https://models.example/dry-wet-model")
    taken = {name: told["secretAsEnv"][0]["secretName"] for name, told in executors.items() if "secretAsEnv" in told}
    assert taken == {"exec-fetch": "my-keys", "exec-register": "my-keys", "exec-reload": "my-token"}


def test_a_training_is_cached_by_what_the_data_are_and_a_fetch_is_not_at_all(whole: Compiled) -> None:
    cached = {name for name, task in tasks(whole[0]).items() if task["cachingOptions"].get("enableCache")}
    assert cached == {"train", "evaluate"}
    for name in cached:
        given = tasks(whole[0])[name]["inputs"]["parameters"]["sha256"]
        assert given["taskOutputParameter"] == {"outputParameterKey": "digest", "producerTask": "fetch"}
