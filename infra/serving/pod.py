"""The pod of an app, whatever makes it: what it runs, what it is told, and what it may do, which is nothing."""

import math
from typing import Any

import pulumi

from infra.kubernetes import Manifest
from infra.serving.cluster import Around
from infra.serving.contract import EXIT_S, Place, cores, environment
from infra.serving.revision import Revision
from infra.serving.spec import ServingSpec

PORT = 8080
PRE_STOP_S = 5
"""How long a pod that has to go still takes requests: until every proxy knows that it goes."""
STARTUP_PERIOD_S = 2
USER = 65532
"""The image's own."""

TMP, CACHE, SECRETS = "/tmp", "/var/cache/modelserve", "/var/run/secrets/modelserve"  # noqa: S108 - a volume of its own
TMP_MIB = 1024
"""Of uploads that do not fit into memory."""
CACHE_GIB = 8
"""Of artefacts; the largest, ResNet50's weights in fp32, has 0.1."""

GPU = "nvidia.com/gpu"
TOLERATES_GPU: Manifest = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}
"""Keeps the taint of infra/aws/node_groups.py's GPU nodes off; a test holds the two together."""

NOTHING_MORE: Manifest = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Said by each container, as Knative lets a pod say little."""


def pod(spec: ServingSpec, revision: Revision, around: Around, container: str) -> Manifest:
    """The PodSpec that runs one process of an app.

    Args:
        spec: the app.
        revision: which version of it.
        around: where.
        container: name of the container.

    Raises:
        ValueError: the app asks for what its surroundings do not have.
    """
    on_knative = revision.runs_on == "knative"
    main: Manifest = {
        **container_of(spec, revision, around),
        "name": container,
        # Knative knows http1 alone; a Service's port is HTTP for the mesh by the name http.
        "ports": [{"name": "http1" if on_knative else "http", "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": {
            "httpGet": {"path": "/ready", "port": PORT},
            "periodSeconds": STARTUP_PERIOD_S,
            "timeoutSeconds": 2,
            "failureThreshold": math.ceil(spec.ready_timeout_s / STARTUP_PERIOD_S),
        },
        "readinessProbe": {"httpGet": {"path": "/ready", "port": PORT}, "periodSeconds": 5, "timeoutSeconds": 2},
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": PORT},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
    }
    if spec.command:
        main["command"] = list(spec.command)
    whole: Manifest = {**settings_of(spec, around), "containers": [main]}
    if on_knative:
        # It chooses the port, keeps requests away from a pod that goes, and allows none of the rest.
        return whole
    main["env"] += [{"name": "PORT", "value": str(PORT)}]
    main["lifecycle"] = {"preStop": {"sleep": {"seconds": PRE_STOP_S}}}
    return {
        **whole,
        "terminationGracePeriodSeconds": math.ceil(PRE_STOP_S + spec.limits.drain_s + EXIT_S),
        "topologySpreadConstraints": [spread(revision)],
    }


def settings_of(spec: ServingSpec, around: Around) -> Manifest:
    """What a pod of the app says beside its containers."""
    whole: Manifest = {
        "serviceAccountName": spec.name,
        # A role of AWS has a token of its own; the API server is nobody's business.
        "automountServiceAccountToken": False,
        # Otherwise a namespace with many Services makes starts slow (knative/serving #9104).
        "enableServiceLinks": False,
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": f"{TMP_MIB}Mi"}},
            {"name": "cache", "emptyDir": {"sizeLimit": f"{CACHE_GIB}Gi"}},
            *({"name": name, "secret": {"secretName": secret}} for name, secret in _secrets(spec, around).items()),
        ],
    }
    if spec.resources.gpu:
        whole |= {"nodeSelector": dict(around.gpu_node_labels), "tolerations": [TOLERATES_GPU]}
    return whole


def container_of(spec: ServingSpec, revision: Revision, around: Around, times: int = 1) -> Manifest:
    """What every container of the app says.

    Args:
        spec: the app.
        revision: which version of it.
        around: where.
        times: how many replicas the container has room for.
    """
    memory = f"{spec.resources.memory_mib * times}Mi"
    gpus = {GPU: str(math.ceil(spec.resources.gpu))} if spec.resources.gpu else {}
    return {
        "image": spec.image or around.image,
        "env": [{"name": name, "value": value} for name, value in sorted(_environment(spec, revision, around).items())],
        "resources": {
            "requests": {"cpu": f"{math.ceil(spec.resources.cpu * times * 1000)}m", "memory": memory, **gpus},
            "limits": {"memory": memory, **gpus},
        },
        "securityContext": NOTHING_MORE,
        "volumeMounts": [
            {"name": "tmp", "mountPath": TMP},
            {"name": "cache", "mountPath": CACHE},
            *({"name": name, "mountPath": f"{SECRETS}/{name}", "readOnly": True} for name in _secrets(spec, around)),
        ],
    }


def annotations(spec: ServingSpec, port: int = PORT) -> dict[str, str]:
    """Where the app's metrics are; the mesh's proxy adds its own."""
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": "/metrics"}


def callers(spec: ServingSpec) -> dict[str, str]:
    """Labels of pods by which the apps that they call know them."""
    return {calls(need): "true" for need in spec.needs}


def calls(app: str) -> str:
    """Label of pods that call an app."""
    return f"modelserve/calls-{app}"


def spread(revision: Revision) -> Manifest:
    """Lose a zone, keep the app; better in one zone than not at all."""
    return {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": revision.selector},
    }


def _environment(spec: ServingSpec, revision: Revision, around: Around) -> dict[str, pulumi.Input[str]]:
    files = {name: f"{SECRETS}/{name}" for name in _secrets(spec, around)}
    image = pulumi.Output.from_input(spec.image or around.image)
    place = Place(
        revision=image.apply(lambda reference: reference.rpartition(":")[2][:12]),
        threads=cores(spec),
        stores=around.models_url,
        registry=around.registry_url,
        reload_token_file=f"{files['reload']}/token" if "reload" in files else None,
        need_url=lambda need: f"http://{need}.{around.namespace}",
        given={
            "database": ("DATABASE_URL_FILE", f"{files['database']}/url" if "database" in files else None),
            "objects": ("OBJECT_STORE_URL", around.objects_url),
            "cache": ("REDIS_URL_FILE", f"{files['redis']}/url" if "redis" in files else None),
        },
    )
    told = environment(spec, revision.model, place)
    told |= {"HOST": "0.0.0.0", "HOME": TMP, "MODELSERVE_CACHE": CACHE}  # noqa: S104 - its pod's network is its own
    if spec.resources.gpu:
        # What PyTorch compiles is kept beside the artefacts: the image's file system is read-only. One process builds
        # at a time, where it would start one for each of the node's cores.
        told |= {"TORCHINDUCTOR_CACHE_DIR": f"{CACHE}/inductor", "TRITON_CACHE_DIR": f"{CACHE}/triton"}
        told |= {"TORCHINDUCTOR_COMPILE_THREADS": "1"}
    if spec.model or spec.objects:
        told["AWS_REGION"] = around.s3_region
        if around.s3_endpoint is not None:
            told["AWS_ENDPOINT_URL"] = around.s3_endpoint
        if "s3" in files:
            told["AWS_SHARED_CREDENTIALS_FILE"] = f"{files['s3']}/credentials"
    return told


def _secrets(spec: ServingSpec, around: Around) -> dict[str, Any]:
    """Secrets that are mounted, by the name of their folder."""
    wanted = {
        "database": around.database_secret if spec.database else None,
        "redis": around.cache_secret if spec.cache.ttl_s else None,
        "reload": around.reload_secret if spec.model else None,
        "s3": around.s3_secret if spec.model or spec.objects else None,
    }
    return {name: secret for name, secret in wanted.items() if secret}
