"""Pods."""

from typing import Any

from tests.judge import Made, faulty, fine, made

SAFE = {
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER: dict[str, Any] = {
    "name": "app",
    "image": "registry.example/app:1.4.2",
    "securityContext": SAFE,
    "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
    "livenessProbe": {"httpGet": {"path": "/health", "port": 8000}},
    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8000}},
    "env": [{"name": "LOG_LEVEL", "value": "info"}],
    "ports": [{"containerPort": 8000}],
}
DIGEST = "sha256:" + "0" * 64
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"


def pod(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{**CONTAINER, **(container or {})}], **spec}}


def deployment(container: dict[str, Any] | None = None, namespace: str = "apps", **spec: Any) -> Made:
    template = pod(container, **spec)
    return made(
        "kubernetes:apps/v1:Deployment", metadata={"namespace": namespace, "name": "x"}, spec={"template": template}
    )


def secured(**context: Any) -> Made:
    return deployment({"securityContext": {**SAFE, **context}})


def without(field: str) -> Made:
    return deployment({"securityContext": {key: value for key, value in SAFE.items() if key != field}})


def variable(name: str, value: str) -> Made:
    return deployment({"env": [{"name": name, "value": value}]})


def stateful(**spec: Any) -> Made:
    return made("kubernetes:apps/v1:StatefulSet", spec={"template": pod(**spec)})


def on(label: str, *values: str) -> dict[str, Any]:
    terms = [{"matchExpressions": [{"key": label, "operator": "In", "values": list(values)}]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def everywhere(rule: str, fault: str, container: dict[str, Any]) -> list[Any]:
    """The same container, in each kind of object that makes pods."""
    bare = {"name": "app", **container}
    template = {"spec": {"containers": [bare]}}
    group = {"template": template}
    kinds = {
        "kubernetes:core/v1:Pod": {"spec": template["spec"]},
        "kubernetes:apps/v1:DaemonSet": {"spec": {"template": template}},
        "kubernetes:batch/v1:Job": {"spec": {"template": template}},
        "kubernetes:batch/v1:CronJob": {"spec": {"jobTemplate": {"spec": {"template": template}}}},
        "kubernetes:serving.knative.dev/v1:Service": {"spec": {"template": template}},
        "kubernetes:serving.kserve.io/v1beta1:InferenceService": {"spec": {"predictor": template["spec"]}},
        "kubernetes:ray.io/v1:RayService": {"spec": {"rayClusterConfig": {"headGroupSpec": group}}},
        "kubernetes:ray.io/v1:RayJob": {"spec": {"rayClusterSpec": {"workerGroupSpecs": [group]}}},
    }
    cases = [
        faulty(rule, f"in a {kind.rpartition(':')[2]}", fault, made(kind, **props)) for kind, props in kinds.items()
    ]
    before = deployment(initContainers=[bare])
    return [*cases, faulty(rule, "before the app", fault, before)]


CASES = [
    fine("pods-not-root", "a user of its own", deployment()),
    fine(
        "pods-not-root",
        "said for the whole pod",
        deployment({"securityContext": {}}, securityContext={"runAsNonRoot": True}),
    ),
    fine("pods-not-root", "a driver that is excepted", deployment({"securityContext": {}}, "kube-system")),
    fine("pods-not-root", "what a setting excepts", deployment({"securityContext": {}}), **{"except": ["apps/x"]}),
    faulty("pods-not-root", "nothing said", "app may run as root", without("runAsNonRoot")),
    faulty("pods-not-root", "root by number", "runAsUser is 0", secured(runAsUser=0.0)),
    faulty(
        "pods-not-root",
        "a container that takes back its pod's word",
        "may run as root",
        deployment({"securityContext": {"runAsNonRoot": False}}, securityContext={"runAsNonRoot": True}),
    ),
    *everywhere("pods-not-root", "may run as root", {}),
    fine("root-file-system-read-only", "read-only", deployment()),
    faulty("root-file-system-read-only", "nothing said", "may write", without("readOnlyRootFilesystem")),
    fine("no-more-privileges", "none", deployment()),
    faulty("no-more-privileges", "nothing said", "may escalate", without("allowPrivilegeEscalation")),
    faulty("no-more-privileges", "all of them", "is privileged", secured(privileged=True)),
    fine("capabilities-dropped", "all dropped", deployment()),
    fine("capabilities-dropped", "a low port", secured(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})),
    faulty("capabilities-dropped", "nothing dropped", "does not drop ALL", without("capabilities")),
    faulty(
        "capabilities-dropped",
        "one added",
        "adds SYS_ADMIN",
        secured(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    ),
    fine("system-calls-filtered", "the runtime's profile", deployment()),
    faulty("system-calls-filtered", "nothing said", "no seccompProfile", without("seccompProfile")),
    faulty("system-calls-filtered", "no filter", "no seccompProfile", secured(seccompProfile={"type": "Unconfined"})),
    fine("no-way-to-the-node", "nothing shared", deployment(volumes=[{"name": "tmp", "emptyDir": {}}])),
    faulty(
        "no-way-to-the-node",
        "a path",
        "volume root is a path",
        deployment(volumes=[{"name": "root", "hostPath": {"path": "/"}}]),
    ),
    faulty("no-way-to-the-node", "the network", "hostNetwork", deployment(hostNetwork=True)),
    faulty("no-way-to-the-node", "the processes", "hostPID", deployment(hostPID=True)),
    faulty(
        "no-way-to-the-node", "a port", "takes a port", deployment({"ports": [{"containerPort": 80, "hostPort": 80}]})
    ),
    fine("resources-stated", "requests and a limit for memory", deployment()),
    faulty("resources-stated", "nothing", "no requests.cpu", deployment({"resources": {}})),
    faulty(
        "resources-stated",
        "no limit",
        "no limits.memory",
        deployment({"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}),
    ),
    fine("health-probed", "both probes", deployment()),
    faulty("health-probed", "no readiness", "no readinessProbe", deployment({"readinessProbe": None})),
    faulty("health-probed", "no liveness", "no livenessProbe", deployment({"livenessProbe": None})),
    fine("images-named-exactly", "a version", deployment()),
    fine("images-named-exactly", "a digest", deployment({"image": f"registry.example:5000/app@{DIGEST}"})),
    fine("images-named-exactly", "a version at a registry with a port", deployment({"image": "localhost:5000/app:7"})),
    faulty("images-named-exactly", "the latest", "runs app:latest", deployment({"image": "app:latest"})),
    faulty(
        "images-named-exactly",
        "no tag at a registry with a port",
        "changes",
        deployment({"image": "localhost:5000/app"}),
    ),
    fine("state-not-on-spot", "anywhere", stateful()),
    fine("state-not-on-spot", "on demand", stateful(nodeSelector={"karpenter.sh/capacity-type": "on-demand"})),
    faulty(
        "state-not-on-spot",
        "a pool of spot",
        "modelserve/pool=spot",
        stateful(nodeSelector={"modelserve/pool": "spot"}),
    ),
    faulty(
        "state-not-on-spot",
        "spot by affinity",
        "capacityType=SPOT",
        stateful(affinity=on("eks.amazonaws.com/capacityType", "SPOT")),
    ),
    faulty(
        "state-not-on-spot",
        "spot among others",
        "type=spot",
        stateful(affinity=on("karpenter.sh/capacity-type", "spot", "on-demand")),
    ),
    fine("no-secret-in-environment", "a level", deployment()),
    fine(
        "no-secret-in-environment",
        "a reference",
        deployment({"env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {}}}]}),
    ),
    fine("no-secret-in-environment", "where a secret is", variable("DATABASE_PASSWORD_FILE", "/run/secrets/database")),
    fine("no-secret-in-environment", "a URL with a user", variable("DATABASE_URL", "postgresql://app@db:5432/app")),
    faulty(
        "no-secret-in-environment", "a password by name", "DATABASE_PASSWORD", variable("DATABASE_PASSWORD", "hunter2")
    ),
    faulty(
        "no-secret-in-environment",
        "a URL with a password",
        "DATABASE_URL",
        variable("DATABASE_URL", "postgresql://app:hunter2@db/app"),
    ),
    faulty("no-secret-in-environment", "an access key", "has a secret in KEY", variable("KEY", "AKIAABCDEFGHIJKLMNOP")),
    faulty("no-secret-in-environment", "a token by its looks", "has a secret in BEARER", variable("BEARER", TOKEN)),
]
