"""Settings of clusters: what Kind and the platform can be told."""

import pytest

from infra.settings import Settings, parse, serving_specs
from infra.validation import SettingsError


def told(**values: str) -> Settings:
    return parse({"modelserve:target": "kind", **{f"modelserve:{k}": v for k, v in values.items()}}, "dev")


def refusal(**values: str) -> str:
    with pytest.raises(SettingsError) as refused:
        told(**values)
    return str(refused.value)


def test_a_cluster_of_its_own_is_made_where_no_context_is_named() -> None:
    assert told().kind.context is None


def test_a_context_that_is_named_is_used() -> None:
    assert told(**{"kind.context": "minikube"}).kind.context == "minikube"


def test_every_part_of_the_platform_runs_unless_it_is_switched_off() -> None:
    assert told().platform.components.kubeflow
    assert not told(**{"platform.components.kubeflow": "false"}).platform.components.kubeflow


def test_a_part_that_does_not_exist_is_named_with_the_nearest() -> None:
    assert "Did you mean kubeflow?" in refusal(**{"platform.components.kubflow": "false"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind.kubernetes", "latest"),
        ("kind.registry_port", "80"),
        ("platform.domain", "localhost"),
        ("platform.retention_days", "0"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(key: str, value: str) -> None:
    assert f"Pulumi.dev.yaml: modelserve:{key}" in refusal(**{key: value})


def test_an_app_that_wants_a_gpu_is_refused_in_a_cluster_made_here() -> None:
    with pytest.raises(
        SettingsError, match=r"apps/ner/app.yaml: resources.gpu is 1, but the stack has no GPU"
    ) as refused:
        serving_specs(told(**{"apps.ner.resources.gpu": "1"}), "dev")
    assert "Give Pulumi.dev.yaml modelserve:kind.context, a cluster that has some, or" in str(refused.value)


def test_a_cluster_of_ones_own_may_have_gpus() -> None:
    specs = serving_specs(told(**{"apps.ner.resources.gpu": "1", "kind.context": "lab"}), "dev")
    assert {spec.name: spec.resources.gpu for spec in specs}["ner"] == 1


RAY = {"platform.components.kuberay": "false", "apps.ner.runs_on": "ray"}


def test_an_app_on_ray_needs_the_ray_operator() -> None:
    with pytest.raises(SettingsError, match=r"apps/ner/app.yaml: runs_on is ray") as refused:
        serving_specs(told(**RAY), "dev")
    assert "modelserve:platform.components.kuberay" in str(refused.value)


def test_with_the_ray_operator_it_is_taken() -> None:
    specs = serving_specs(told(**{**RAY, "platform.components.kuberay": "true"}), "dev")
    assert {spec.name: spec.way for spec in specs}["ner"] == "ray"
