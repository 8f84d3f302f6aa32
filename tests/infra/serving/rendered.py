"""Apps and clusters to render, and a way to find what came out."""

from typing import Any

from infra.kubernetes import Manifest
from infra.serving.app import render
from infra.serving.cluster import Around
from infra.serving.spec import ServingSpec

MODEL = {"name": "resnet50", "version": "1.0.0"}
AROUND: dict[str, Any] = {
    "namespace": "serving",
    "gateway": "istio-ingress/gateway",
    "domain": "apps.example",
    "image": "registry.example/app:abc123",
    "models_url": "s3://models/artefacts",
}
BACKED = {
    "database_secret": "echo-database",
    "cache_secret": "redis",
    "objects_url": "s3://data/echo",
    "s3_secret": "s3",
    "s3_endpoint": "http://s3.storage:8333",
    "s3_namespace": "storage",
}
RUNS = {"knative": {"scaling": {"min": 0}}, "standard": {}, "deployment": {}, "ray": {}}
"""Every way that an app can run, and what it has to say for it."""


def spec(**said: Any) -> ServingSpec:
    return ServingSpec.model_validate(
        {
            "name": "echo",
            "summary": "Answers.",
            "command": ["python", "-m", "apps.runtime", "echo"],
            "model": MODEL,
            "routes": [{"prefix": "/echo/"}],
            **said,
        }
    )


def running(way: str, **said: Any) -> ServingSpec:
    return spec(**{"runs_on": way, **RUNS[way], **said})


def around(**known: Any) -> Around:
    return Around(**{**AROUND, **known})


def manifests(of: ServingSpec, **known: Any) -> list[Manifest]:
    return render(of, around(**known))


def every(of: ServingSpec, kind: str, **known: Any) -> list[Manifest]:
    return [one for one in manifests(of, **known) if one["kind"] == kind]


def one(of: ServingSpec, kind: str, name: str | None = None, **known: Any) -> Manifest:
    found = [each for each in every(of, kind, **known) if name in (None, each["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} of {kind} {name or ''} among {[m['kind'] for m in manifests(of, **known)]}"
    return found[0]


def pods(of: ServingSpec, **known: Any) -> list[Manifest]:
    """The PodSpec of everything that runs."""
    found: list[Manifest] = []
    for made in manifests(of, **known):
        match made["kind"]:
            case "Deployment":
                found.append(made["spec"]["template"]["spec"])
            case "InferenceService":
                found.append(made["spec"]["predictor"])
            case "RayService":
                cluster = made["spec"]["rayClusterConfig"]
                groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
                found += [group["template"]["spec"] for group in groups]
            case _:
                pass
    assert found
    return found


def pod(of: ServingSpec, **known: Any) -> Manifest:
    """The PodSpec of the stable version."""
    return pods(of, **known)[0]


def container(of: ServingSpec, **known: Any) -> Manifest:
    return pod(of, **known)["containers"][0]


def told(of: ServingSpec, **known: Any) -> dict[str, Any]:
    """The environment of the stable version."""
    return {each["name"]: each["value"] for each in container(of, **known)["env"]}
