"""MLflow: what was tried in training, and which version of a model is in production."""

from dataclasses import dataclass

import pulumi

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.bucket import Bucket
from infra.platform.namespace import Allow, NamespaceArgs
from infra.platform.pages import MLFLOW, route
from infra.platform.workload import Container, deployment, disruption_budget, service, service_account

NAME, PORT = MLFLOW.service, MLFLOW.port
HOST = f"{NAME}.{MLFLOW.namespace}.svc.cluster.local:{PORT}"
"""What it is called in the cluster; its tracking URI is ``http://<this>/mlflow``."""
NAMESPACE = NamespaceArgs([Allow("clients", (PORT,), ("istio-ingress", "kubeflow", "serving"), {"app": NAME})])


@dataclass(frozen=True)
class MlflowArgs:
    """What MLflow needs from its surroundings.

    Attributes:
        namespace: its own.
        domain: of the gateway.
        url: where clients reach the gateway.
        replicas: of the server.
        artifacts: where files of runs go.
    """

    namespace: str
    domain: pulumi.Input[str]
    url: pulumi.Input[str]
    replicas: int
    artifacts: Bucket


class Mlflow(pulumi.ComponentResource):
    """The tracking server, which hands files on to the object store itself: its clients need no key."""

    def __init__(self, name: str, args: MlflowArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Mlflow", name, None, opts)
        for manifest in manifests(args):
            apply(manifest, f"{name}-{manifest['kind'].lower()}", pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


def manifests(args: MlflowArgs) -> list[Manifest]:
    """Server, account, way in."""
    bucket = args.artifacts
    outside = pulumi.Output.from_input(args.url).apply(lambda url: url.removeprefix("https://"))
    hosts = pulumi.Output.concat(outside, f",{HOST}")
    env: dict[str, pulumi.Input[str]] = {
        "MLFLOW_ARTIFACTS_DESTINATION": bucket.url,
        # Refuses calls by any other name, so that no page elsewhere can make a browser call it.
        "MLFLOW_SERVER_ALLOWED_HOSTS": hosts,
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": args.url,
        "AWS_DEFAULT_REGION": bucket.region,
        "HOME": "/tmp",  # noqa: S108 - the container's own
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    # The URL of the database would show in the list of processes; in a variable it does not.
    secrets = {"MLFLOW_BACKEND_STORE_URI": ("mlflow-database", "url")}
    volumes: list[dict[str, object]] = []
    mounts: dict[str, str] = {}
    if bucket.endpoint and bucket.secret:
        env |= {
            "MLFLOW_S3_ENDPOINT_URL": bucket.endpoint,
            "AWS_SHARED_CREDENTIALS_FILE": "/etc/object-store/credentials",
        }
        mounts["object-store"] = "/etc/object-store"
        volumes.append({"name": "object-store", "secret": {"secretName": bucket.secret}})
    container = Container(
        versions.MLFLOW,
        {"http": PORT},
        ready=f"{MLFLOW.path}/health",
        command=("mlflow", "server"),
        args=("--host=0.0.0.0", f"--port={PORT}", f"--static-prefix={MLFLOW.path}", "--workers=2", "--serve-artifacts"),
        env=env,
        secrets=secrets,
        mounts=mounts,
        memory="1Gi",
        cpu="100m",
    )
    pods = deployment(NAME, args.namespace, container, replicas=args.replicas, volumes=volumes, account=NAME)
    pods["spec"]["template"]["spec"]["automountServiceAccountToken"] = False
    [server] = pods["spec"]["template"]["spec"]["containers"]
    for probe in ("readinessProbe", "livenessProbe"):
        # The kubelet calls by the pod's address, which is none of the names.
        server[probe]["httpGet"]["httpHeaders"] = [{"name": "Host", "value": HOST}]
    made = [
        service_account(NAME, args.namespace, bucket.role),
        pods,
        service(NAME, args.namespace, {"http": PORT}),
        route(MLFLOW, args.domain),
    ]
    return [*made, disruption_budget(NAME, args.namespace)] if args.replicas > 1 else made
