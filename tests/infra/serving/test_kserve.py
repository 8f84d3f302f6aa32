"""An app as an InferenceService."""

import pytest

from tests.infra.serving.rendered import every, manifests, one, running, spec

CANARY = {"canary": {"version": "2.0.0", "weight": 10}}
MODE = "serving.kserve.io/deploymentMode"


def test_an_app_with_a_model_is_a_deployment_of_kserves() -> None:
    service = one(spec(), "InferenceService")
    assert service["metadata"]["name"] == "echo-stable"
    assert service["metadata"]["annotations"][MODE] == "Standard"
    assert service["spec"]["predictor"]["containers"][0]["name"] == "kserve-container"


def test_an_app_that_scales_to_zero_is_knatives() -> None:
    service = one(spec(scaling={"min": 0, "max": 4, "target_concurrency": 5}), "InferenceService")
    assert service["metadata"]["annotations"][MODE] == "Knative"
    predictor = service["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (0, 4)
    assert (predictor["scaleMetric"], predictor["scaleTarget"]) == ("concurrency", 5)


def test_knative_scales_alone() -> None:
    kinds = {made["kind"] for made in manifests(running("knative"))}
    assert not {"HorizontalPodAutoscaler", "ScaledObject", "PodDisruptionBudget"} & kinds


def test_a_deployment_of_kserves_is_scaled_by_us() -> None:
    service = one(spec(), "InferenceService")
    assert service["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "external"
    target = one(spec(), "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", "echo-stable-predictor")


@pytest.mark.parametrize("way", ["knative", "standard"])
def test_nobody_outside_reaches_it_but_through_our_gateway(way: str) -> None:
    labels = one(running(way), "InferenceService")["metadata"]["labels"]
    assert [labels[label] for label in labels if label.endswith("/visibility")] == ["cluster-local"]


@pytest.mark.parametrize("way", ["knative", "standard"])
def test_kserve_is_not_asked_to_share_requests(way: str) -> None:
    for service in every(running(way, traffic=CANARY), "InferenceService"):
        assert "canaryTrafficPercent" not in service["spec"]["predictor"]


def test_a_canary_is_a_service_beside_the_stable_one() -> None:
    stable, canary = every(spec(traffic=CANARY), "InferenceService")
    assert canary["metadata"]["name"] == "echo-canary"
    versions = [
        next(v["value"] for v in each["spec"]["predictor"]["containers"][0]["env"] if v["name"] == "MODEL_VERSION")
        for each in (stable, canary)
    ]
    assert versions == ["1.0.0", "2.0.0"]


def test_a_canary_has_no_alternative_to_its_model() -> None:
    model = {"name": "resnet50", "version": "1.0.0", "alternative": {"name": "lite", "version": "1"}}
    canary = one(spec(model=model, traffic=CANARY), "InferenceService", "echo-canary")
    assert "MODEL_ALTERNATIVE" not in [v["name"] for v in canary["spec"]["predictor"]["containers"][0]["env"]]


def test_a_canary_is_always_warm() -> None:
    canary = one(running("knative", traffic=CANARY), "InferenceService", "echo-canary")
    assert canary["metadata"]["annotations"][MODE] == "Standard"
    assert canary["spec"]["predictor"]["minReplicas"] == 1


def test_pods_of_the_two_are_told_apart() -> None:
    stable, canary = (each["spec"]["predictor"]["labels"] for each in every(spec(traffic=CANARY), "InferenceService"))
    assert stable["app.kubernetes.io/name"] == canary["app.kubernetes.io/name"] == "echo"
    assert (stable["app.kubernetes.io/component"], canary["app.kubernetes.io/component"]) == ("stable", "canary")
    assert (stable["app.kubernetes.io/version"], canary["app.kubernetes.io/version"]) == ("1.0.0", "2.0.0")


def test_a_versions_build_is_written_as_a_label_can() -> None:
    built = spec(model={"name": "resnet50", "version": "1.0.0+cpu"})
    assert one(built, "InferenceService")["metadata"]["labels"]["app.kubernetes.io/version"] == "1.0.0_cpu"


def test_what_runs_goes_when_the_next_one_is_ready() -> None:
    strategy = one(spec(), "InferenceService")["spec"]["predictor"]["deploymentStrategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_knative_lets_a_request_take_as_long_as_the_policy_does() -> None:
    service = one(running("knative", traffic={"timeout_s": 90}), "InferenceService")
    assert service["spec"]["predictor"]["timeout"] == 90


@pytest.mark.parametrize(("ready_s", "deadline"), [(60, "600s"), (900, "1200s")])
def test_knative_waits_for_a_slow_start(ready_s: float, deadline: str) -> None:
    service = one(running("knative", ready_timeout_s=ready_s), "InferenceService")
    assert service["spec"]["predictor"]["annotations"]["serving.knative.dev/progress-deadline"] == deadline


def test_routes_wait_until_it_is_ready() -> None:
    assert one(spec(), "InferenceService")["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Ready"
