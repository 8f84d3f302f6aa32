"""An app on Ray Serve."""

import json
from typing import Any

import pytest

from tests.infra.serving.rendered import Manifest, every, manifests, one, pods, running


def service(**said: Any) -> Manifest:
    return one(running("ray", **said), "RayService")["spec"]


def application(**said: Any) -> Manifest:
    (only,) = json.loads(service(**said)["serveConfigV2"])["applications"]
    return only


def workers(**said: Any) -> Manifest:
    (group,) = service(**said)["rayClusterConfig"]["workerGroupSpecs"]
    return group


def test_the_app_builds_itself_from_the_numbers_of_its_spec() -> None:
    built = application(
        name="multi-model",
        scaling={"min": 2, "max": 6, "target_concurrency": 3},
        resources={"cpu": 2, "gpu": 0.25},
    )
    assert built["import_path"] == "apps.multi_model.serve:build"
    assert built["args"] == {
        "min_replicas": 2,
        "max_replicas": 6,
        "target_ongoing_requests": 3,
        "num_cpus": 2,
        "num_gpus": 0.25,
    }


def test_replicas_that_share_a_gpu_share_a_worker() -> None:
    group = workers(scaling={"min": 2, "max": 9}, resources={"cpu": 2, "memory_mib": 1000, "gpu": 0.25})
    assert (group["minReplicas"], group["replicas"], group["maxReplicas"]) == (1, 1, 3)
    asked = group["template"]["spec"]["containers"][0]["resources"]
    assert asked["limits"] == {"memory": "4000Mi", "nvidia.com/gpu": "1"}
    assert asked["requests"]["cpu"] == "8000m"


@pytest.mark.parametrize("gpu", [0, 1, 2])
def test_others_have_a_worker_each(gpu: int) -> None:
    group = workers(scaling={"min": 2, "max": 3}, resources={"gpu": gpu})
    assert (group["minReplicas"], group["maxReplicas"]) == (2, 3)


def test_the_head_does_no_work_and_has_no_gpu() -> None:
    cluster = service(resources={"gpu": 1})["rayClusterConfig"]
    head = cluster["headGroupSpec"]
    assert head["rayStartParams"] == {"num-cpus": "0", "num-gpus": "0"}
    assert "nvidia.com/gpu" not in head["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert "tolerations" not in head["template"]["spec"]


def test_what_starts_workers_may_do_no_more_than_an_app() -> None:
    options = service()["rayClusterConfig"]["autoscalerOptions"]
    assert options["securityContext"] == pods(running("ray"))[0]["containers"][0]["securityContext"]
    assert options["resources"]["limits"]["memory"]


def test_rays_store_of_objects_has_memory_of_its_own() -> None:
    for pod in pods(running("ray", resources={"memory_mib": 1000})):
        (shared,) = [volume["emptyDir"] for volume in pod["volumes"] if volume["name"] == "shared-memory"]
        assert shared == {"medium": "Memory", "sizeLimit": "300Mi"}
        assert {"name": "shared-memory", "mountPath": "/dev/shm"} in pod["containers"][0]["volumeMounts"]  # noqa: S108


def test_its_pods_stand_outside_the_mesh() -> None:
    cluster = service()["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert group["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    assert every(running("ray"), "Sidecar") == []


def test_nothing_else_scales_it() -> None:
    kinds = {made["kind"] for made in manifests(running("ray"))}
    assert not {"HorizontalPodAutoscaler", "ScaledObject", "Deployment", "InferenceService"} & kinds


def test_a_canary_is_a_service_beside_the_stable_one() -> None:
    made = every(running("ray", traffic={"canary": {"version": "2", "weight": 5}}), "RayService")
    assert [each["metadata"]["name"] for each in made] == ["echo-stable", "echo-canary"]
