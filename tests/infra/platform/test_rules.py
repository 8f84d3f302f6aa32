"""What clusters watch of the apps, and when that is an alert."""

import re
from collections.abc import Callable

import pytest
import yaml

from infra.platform.monitoring import monitors
from infra.platform.rules import FOLDER, rules
from tests.infra.platform.cluster import Watched, dev, prod


def test_every_alert_of_the_folder_is_on_the_cluster() -> None:
    names = {rule["metadata"]["name"] for rule in dev().objects("PrometheusRule")}
    assert {rule["metadata"]["name"] for rule in rules("monitoring")} <= names
    groups = [group for rule in dev().objects("PrometheusRule") for group in rule["spec"]["groups"]]
    assert "ModelDrift" in {rule.get("alert") for group in groups for rule in group["rules"]}


def test_metrics_of_apps_have_the_labels_that_they_have_on_one_machine() -> None:
    [apps] = [each for each in monitors("monitoring") if each["metadata"]["name"] == "apps"]
    [endpoint] = apps["spec"]["podMetricsEndpoints"]
    put = {each["targetLabel"]: each["sourceLabels"] for each in endpoint["relabelings"] if "targetLabel" in each}
    pod = "__meta_kubernetes_pod_label_app_kubernetes_io"
    assert {"app": [f"{pod}_name"], "role": [f"{pod}_component"], "revision": [f"{pod}_version"]}.items() <= put.items()


@pytest.mark.parametrize("kind", ["Deployment", "InferenceService"])
def test_pods_of_apps_say_who_they_are(kind: str) -> None:
    apps = [one for one in dev().objects(kind) if one["metadata"]["namespace"] == "serving"]
    assert apps
    for one in apps:
        spec = one["spec"]
        labels = spec["predictor"]["labels"] if kind == "InferenceService" else spec["template"]["metadata"]["labels"]
        assert {f"app.kubernetes.io/{part}" for part in ("name", "component", "version")} <= labels.keys()


@pytest.mark.parametrize("cluster", [dev, prod], ids=["dev", "prod"])
def test_alerts_know_deployments_and_pods_of_apps_by_their_names(cluster: Callable[[], Watched]) -> None:
    told = yaml.safe_load((FOLDER / "availability.yaml").read_text())
    expr = told["groups"][0]["rules"][0]["expr"]
    [pattern] = set(re.findall(r'"deployment", "(.+?)"\n', expr))
    made = [one for kind in ("Deployment", "InferenceService") for one in cluster().objects(kind)]
    for one in made:
        if one["metadata"]["namespace"] != "serving":
            continue
        # What KServe calls its Deployment, and what Knative does.
        name = one["metadata"]["name"]
        ways = [name] if one["kind"] == "Deployment" else [f"{name}-predictor", f"{name}-predictor-00001-deployment"]
        labels = one["metadata"]["labels"]
        for way in ways:
            found = re.fullmatch(pattern, way)
            assert found
            assert found[1] == labels["app.kubernetes.io/name"]
            assert found[2] == labels["app.kubernetes.io/component"]
