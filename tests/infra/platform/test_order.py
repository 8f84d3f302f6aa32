"""What waits for what, and what a new version leaves alone."""

from typing import Any

import pytest

from infra import versions
from infra.platform import argo, cert_manager, keda, knative
from infra.platform.release import Chart
from tests.infra.platform.cluster import DEV, RELEASE, Watched, dev, make, prod

DEFINED_BY = {
    "cert-manager.io": "cert-manager",
    "gateway.networking.k8s.io": "gateway-api",
    "security.istio.io": "istio-base",
    "networking.istio.io": "istio-base",
    "telemetry.istio.io": "istio-base",
    "operator.knative.dev": "knative-operator",
    "serving.kserve.io": "kserve-crd",
    "keda.sh": "keda",
    "ray.io": "kuberay-operator",
    "monitoring.coreos.com": "monitoring",
    "external-secrets.io": "external-secrets",
    "elbv2.k8s.aws": "aws-load-balancer-controller",
}
"""Whose chart brings a kind."""
BUILT_IN = ("apps", "batch", "policy", "autoscaling", "k8s.io")


def custom(seen: Watched) -> list[tuple[tuple[str, str], str]]:
    """Custom resources, each with the release that defines its kind."""
    found = []
    for typ, name, inputs in seen.resources:
        group = str(inputs.get("apiVersion", "")).rpartition("/")[0]
        if typ.startswith("kubernetes:") and group in DEFINED_BY:
            found.append(((typ, name), DEFINED_BY[group]))
        elif group:
            assert group.endswith(BUILT_IN), f"{typ} {name}: whose is {group}?"
    return found


@pytest.mark.parametrize("cluster", [dev, prod], ids=["dev", "prod"])
def test_every_custom_resource_waits_for_the_release_that_defines_it(cluster: Any) -> None:
    assert len(custom(cluster())) > 20
    for resource, release in custom(cluster()):
        assert cluster().waits(resource, (RELEASE, release)), f"{resource} does not wait for {release}"


@pytest.mark.parametrize("cluster", [dev, prod], ids=["dev", "prod"])
def test_what_lies_in_a_namespace_waits_for_its_guards(cluster: Any) -> None:
    seen = cluster()
    own = {one["metadata"]["name"] for one in seen.objects("Namespace")}
    for typ, name, inputs in seen.resources:
        place = inputs.get("metadata", inputs).get("namespace")
        if place in own and not name.startswith(f"{place}-") and typ.startswith("kubernetes:"):
            guard = ("kubernetes:networking.k8s.io/v1:NetworkPolicy", f"{place}-default-deny")
            assert seen.waits((typ, name), guard), f"{name} is in {place} before its policies"


def test_inference_services_wait_until_kserves_webhook_answers() -> None:
    [gate] = [name for typ, name, _ in dev().resources if typ.endswith(":Job") and name == "kserve-webhook"]
    apps = [name for typ, name, _ in dev().resources if typ.endswith(":InferenceService")]
    assert apps
    for name in apps:
        typ = "kubernetes:serving.kserve.io/v1beta1:InferenceService"
        assert dev().waits((typ, name), ("kubernetes:batch/v1:Job", gate))


def test_runtimes_wait_for_the_webhook_too_and_the_webhook_for_its_certificates() -> None:
    seen, gate = dev(), ("kubernetes:batch/v1:Job", "kserve-webhook")
    assert seen.waits((RELEASE, "kserve-runtimes"), gate)
    assert seen.waits(gate, (RELEASE, "kserve"))
    assert seen.waits((RELEASE, "kserve"), (RELEASE, "kserve-crd"))
    assert seen.waits((RELEASE, "kserve"), (RELEASE, "cert-manager"))


def test_the_gate_tries_the_webhook_itself() -> None:
    job = dev().object("Job", next(o["metadata"]["name"] for o in dev().objects("Job") if "webhook" in str(o)))
    assert "--dry-run=server" in job["spec"]["template"]["spec"]["containers"][0]["args"]
    [role] = [one for one in dev().objects("Role") if one["metadata"]["name"] == "kserve-webhook"]
    assert role["rules"] == [
        {"apiGroups": ["serving.kserve.io"], "resources": ["inferenceservices"], "verbs": ["create"]}
    ]


def test_cert_manager_is_done_when_its_own_check_has_passed() -> None:
    release = dev().releases()["cert-manager"]
    assert release["values"]["startupapicheck"]["enabled"]
    assert not release.get("skipAwait")


@pytest.mark.parametrize("cluster", [dev, prod], ids=["dev", "prod"])
def test_releases_are_whole_or_not_at_all(cluster: Any) -> None:
    for name, release in cluster().releases().items():
        assert release["atomic"], name


def test_knative_waits_for_the_mesh_and_is_waited_for() -> None:
    kind = "kubernetes:operator.knative.dev/v1beta1:KnativeServing"
    assert dev().waits((kind, "knative"), (RELEASE, "istiod"))
    settings = dev().object("KnativeServing", "knative-serving")
    assert settings["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Ready"


def test_databases_are_made_before_who_uses_them() -> None:
    job = "kubernetes:batch/v1:Job"
    assert dev().waits(("kubernetes:apps/v1:Deployment", "mlflow-deployment"), (job, "databases-mlflow"))
    assert dev().waits(("kubernetes:apps/v1:Deployment", "kubeflow-ml-pipeline"), (job, "databases-kfp"))
    assert prod().waits((job, "databases-mlflow"), (RELEASE, "external-secrets"))


def changed(before: Watched, after: Watched) -> set[tuple[str, str]]:
    old = {(typ, name): inputs for typ, name, inputs in before.resources}
    new = {(typ, name): inputs for typ, name, inputs in after.resources}
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def test_other_versions_touch_their_own_parts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    charts = (cert_manager, keda, argo, knative)
    for module in charts:
        monkeypatch.setattr(module, "CHART", Chart(module.CHART.name, "99.0.0", module.CHART.repository))
    monkeypatch.setattr(versions, "ISTIO", "99.0.0")
    monkeypatch.setattr(versions, "MLFLOW", "ghcr.io/mlflow/mlflow:v99.0.0-full")
    releases = {module.CHART.name for module in charts} | {"istio-base", "istio-cni", "istiod", "gateway"}
    pods = ("kubernetes:apps/v1:Deployment", "mlflow-deployment")
    assert changed(dev(), make(DEV)) == {pods, *((RELEASE, name) for name in releases)}
