"""What a training pipeline's steps find on the platform: the secrets that they name, with the keys that they take."""

from collections.abc import Callable

import pytest

from infra.platform import kubeflow, object_store, reload
from infra.settings.cluster import Components, Platform
from models.road.keys import RELOAD_KEYS, STORE_KEYS, Secrets
from tests.infra.platform.cluster import DEV, Watched, dev, make, prod


def secrets(seen: Watched, namespace: str) -> dict[str, set[str]]:
    """Keys of each secret in a namespace."""
    found = [each for each in seen.objects("Secret") if each["metadata"]["namespace"] == namespace]
    return {each["metadata"]["name"]: set(each["data"]) for each in found}


def test_the_platform_has_the_keys_of_the_object_store_where_steps_run() -> None:
    assert Secrets.store == object_store.SECRET
    assert STORE_KEYS.keys() <= secrets(dev(), kubeflow.HOME)[Secrets.store]


def test_on_aws_there_is_no_such_secret_but_a_role() -> None:
    assert Secrets.store not in secrets(prod(), kubeflow.HOME)
    assert "eks.amazonaws.com/role-arn" in prod().object("ServiceAccount", "pipeline-runner")["metadata"]["annotations"]


@pytest.mark.parametrize("stack", [dev, prod], ids=["dev", "prod"])
def test_steps_that_reload_have_the_token_of_the_apps(stack: Callable[[], Watched]) -> None:
    assert Secrets.reload == reload.SECRET
    assert secrets(stack(), kubeflow.HOME)[Secrets.reload] == RELOAD_KEYS.keys()
    tokens = [each["data"]["token"] for each in stack().objects("Secret") if each["metadata"]["name"] == reload.SECRET]
    assert len(tokens) == 2
    assert len(set(tokens)) == 1


def test_without_kubeflow_the_token_is_the_apps_alone() -> None:
    seen = make(DEV, Platform(components=Components(kubeflow=False)))
    assert [
        each["metadata"]["namespace"] for each in seen.objects("Secret") if each["metadata"]["name"] == reload.SECRET
    ] == ["serving"]
