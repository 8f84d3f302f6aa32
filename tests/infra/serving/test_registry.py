"""Apps whose model version a registry says: what they may ask for, where they find it, and who else does not."""

from typing import Any

import pytest
from pydantic import ValidationError

from infra.serving.app import render
from tests.infra.serving.rendered import around, container, one, pod, spec, told
from tests.recorder import Recorder

ROAD = {"name": "road", "version": "@production", "alternative": {"name": "road_lite", "version": "1.0.0"}}
REGISTRY = {
    "registry_url": "mlflow+http://mlflow.mlflow.svc.cluster.local:5000/mlflow",
    "reload_secret": "model-reload",
}


@pytest.mark.parametrize("version", ["production", "1.0.0+3f2a9c1b", "@production", "@a-b2"])
def test_a_version_may_be_one_or_what_a_registry_says(version: str) -> None:
    assert spec(model={"name": "road", "version": version}).model


@pytest.mark.parametrize("version", ["@", "@Production", "@production-", "@a_b", "@@a", "@a/b", "@" + "a" * 64])
def test_an_alias_is_a_label_of_kubernetes_but_for_its_sign(version: str) -> None:
    with pytest.raises(ValidationError, match="version"):
        spec(model={"name": "road", "version": version})


@pytest.mark.parametrize("other", [{"version": "@staging"}, {"version": "1", "also": ["2"]}])
def test_what_is_fallen_back_on_is_one_version(other: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="give a name and one version"):
        spec(model={**ROAD, "alternative": {"name": "road_lite", **other}})


def test_an_alias_is_nowhere_in_a_name_or_a_label() -> None:
    for made in render(spec(model=ROAD), around(**REGISTRY)):
        assert "@" not in made["metadata"]["name"]
        assert not [value for value in made["metadata"].get("labels", {}).values() if "@" in value]
    assert spec(model=ROAD).version == "production"


@pytest.mark.parametrize("way", ["standard", "deployment", "ray"])
def test_an_app_with_an_alias_finds_the_registry_and_the_token(way: str) -> None:
    road = spec(runs_on=way, model={**ROAD, "also": ["1.0.0", "1.1.0"]})
    env = told(road, **REGISTRY)
    assert env["MODEL_VERSION"] == "@production"
    assert env["MODEL_ALSO"] == "1.0.0,1.1.0"
    assert Recorder().run(lambda: env["MODEL_STORES"]) == f"s3://models/artefacts:{REGISTRY['registry_url']}"
    assert env["RELOAD_TOKEN_FILE"] == "/var/run/secrets/modelserve/reload/token"
    assert {"name": "reload", "secret": {"secretName": "model-reload"}} in pod(road, **REGISTRY)["volumes"]
    [mounted] = [each for each in container(road, **REGISTRY)["volumeMounts"] if each["name"] == "reload"]
    assert mounted["readOnly"]


def test_only_an_app_with_an_alias_may_reach_the_registry() -> None:
    def reached(model: dict[str, Any]) -> bool:
        rules = one(spec(model=model), "NetworkPolicy", **REGISTRY)["spec"]["egress"]
        return any(port["port"] == 5000 for rule in rules for port in rule.get("ports", ()))

    assert reached(ROAD)
    assert not reached({"name": "resnet50", "version": "1.0.0"})


def test_an_app_without_an_alias_does_not_depend_on_the_registry() -> None:
    assert told(spec(), **REGISTRY)["MODEL_STORES"] == "s3://models/artefacts"
