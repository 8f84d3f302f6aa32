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
URL = f"http://{NAME}.{MLFLOW.namespace}.svc.cluster.local:{PORT}{MLFLOW.path}"
"""What clients in the cluster give as tracking URI."""
NAMESPACE = NamespaceArgs([Allow("clients", (PORT,), ("istio-ingress", "kubeflow", "serving"), {"app": NAME})])


@dataclass(frozen=True)
class MlflowArgs:
    """What MLflow needs from its surroundings.

    Attributes:
        namespace: its own.
        domain: of the gateway.
        replicas: of the server.
        database: Secret whose key ``url`` is its database.
        artifacts: where files of runs go.
    """

    namespace: pulumi.Input[str]
    domain: pulumi.Input[str]
    replicas: int
    database: pulumi.Input[str]
    artifacts: Bucket


class Mlflow(pulumi.ComponentResource):
    """The tracking server, which hands files on to the object store itself: its clients need no key."""

    url: pulumi.Output[str]
    """Tracking URI in the cluster; known once it answers."""

    def __init__(self, name: str, args: MlflowArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Mlflow", name, None, opts)
        made = [
            apply(manifest, f"{name}-{manifest['kind'].lower()}", pulumi.ResourceOptions(parent=self))
            for manifest in manifests(args)
        ]
        self.url = pulumi.Output.all(*(one.id for one in made)).apply(lambda _: URL)
        self.register_outputs({"url": self.url})


def manifests(args: MlflowArgs) -> list[Manifest]:
    """Server, account, way in."""
    bucket = args.artifacts
    hosts = pulumi.Output.concat(args.domain, f",{NAME}.{MLFLOW.namespace}.svc.cluster.local:{PORT}")
    env: dict[str, pulumi.Input[str]] = {
        "MLFLOW_ARTIFACTS_DESTINATION": bucket.url,
        # Refuses calls by any other name, so that no page elsewhere can make a browser call it.
        "MLFLOW_SERVER_ALLOWED_HOSTS": hosts,
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
    # Its pod waits for this Secret, and so does Pulumi.
    changes = {"modelserve/database": args.database}
    pods = deployment(
        NAME, args.namespace, container, replicas=args.replicas, volumes=volumes, account=NAME, changes=changes
    )
    pods["spec"]["template"]["spec"]["automountServiceAccountToken"] = False
    made = [
        service_account(NAME, args.namespace, bucket.role),
        pods,
        service(NAME, args.namespace, {"http": PORT}),
        route(MLFLOW, args.domain),
    ]
    return [*made, disruption_budget(NAME, args.namespace)] if args.replicas > 1 else made
