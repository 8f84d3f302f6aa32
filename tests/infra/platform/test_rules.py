"""What clusters watch of the apps, and when that is an alert."""

from infra.platform.monitoring import monitors
from infra.platform.rules import rules
from tests.infra.platform.cluster import dev


def test_every_alert_of_the_folder_is_on_the_cluster() -> None:
    names = {rule["metadata"]["name"] for rule in dev().objects("PrometheusRule")}
    assert {rule["metadata"]["name"] for rule in rules("monitoring")} <= names
    groups = [group for rule in dev().objects("PrometheusRule") for group in rule["spec"]["groups"]]
    assert "ModelDrift" in {rule["alert"] for group in groups for rule in group["rules"]}


def test_metrics_of_apps_have_the_apps_name_as_they_have_on_one_machine() -> None:
    [apps] = [each for each in monitors("monitoring") if each["metadata"]["name"] == "apps"]
    [endpoint] = apps["spec"]["podMetricsEndpoints"]
    assert {"sourceLabels": ["__meta_kubernetes_pod_label_app_kubernetes_io_name"], "targetLabel": "app"} in endpoint[
        "relabelings"
    ]
