"""Kubeflow Pipelines: training as a pipeline that anybody can look at and run again."""

from dataclasses import dataclass, replace

import pulumi

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.argo import RUNNER
from infra.platform.bucket import Bucket
from infra.platform.kubeflow_rights import CRD, LAUNCHER, rights, runner
from infra.platform.namespace import Allow, NamespaceArgs, Quota
from infra.platform.pages import PIPELINE, route
from infra.platform.workload import Container, deployment, service, service_account

API, PAGE, AGENT, SCHEDULES = "ml-pipeline", PIPELINE.service, "ml-pipeline-persistenceagent", "ml-pipeline-schedules"
METADATA, METADATA_PROXY = "metadata-grpc", "metadata-envoy"
HTTP, GRPC, METADATA_PORT, PROXY_PORT = 8888, 8887, 8080, 9090
DATABASES = ("kfp", "mlmd")
"""Names of the databases of runs and of what they made."""
HOME = "kubeflow"
NAMESPACE = NamespaceArgs(
    [Allow("page", (PIPELINE.port,), ("istio-ingress",), {"app": PAGE})],
    # Training is what asks for most.
    quota=Quota(pods=100, cpu=64, memory_gib=256),
)


def image(part: str) -> str:
    """One of the parts' images; all at the same version."""
    return f"ghcr.io/kubeflow/kfp-{part}:{versions.KUBEFLOW_PIPELINES}"


@dataclass(frozen=True)
class KubeflowArgs:
    """What Kubeflow Pipelines needs from its surroundings.

    Attributes:
        namespace: of its parts and of the pipelines' steps.
        domain: of the gateway.
        artifacts: where pipelines and what they make are kept, with the role of their steps.
        api_role: ARN of the IAM role that the API's pods take; none off AWS.
    """

    namespace: str
    domain: pulumi.Input[str]
    artifacts: Bucket
    api_role: pulumi.Input[str] | None = None


class Kubeflow(pulumi.ComponentResource):
    """API, page, schedules and record of metadata, for one team: no profiles, one namespace."""

    def __init__(self, name: str, args: KubeflowArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Kubeflow", name, None, opts)
        first = [
            apply(manifest, _called(name, manifest), pulumi.ResourceOptions(parent=self))
            for manifest in (CRD, *accounts(args), *configuration(args))
        ]
        after = pulumi.ResourceOptions(parent=self, depends_on=first)
        store = [apply(manifest, _called(name, manifest), after) for manifest in metadata(args)]
        last = pulumi.ResourceOptions(parent=self, depends_on=[*first, *store])
        for manifest in parts(args):
            apply(manifest, _called(name, manifest), last)
        self.register_outputs({})


def accounts(args: KubeflowArgs) -> list[Manifest]:
    """Who the parts are, and what each may do."""
    made = [service_account(RUNNER, args.namespace, args.artifacts.role, token=True)]
    made.append(service_account(API, args.namespace, args.api_role))
    made += [service_account(part, args.namespace) for part in (PAGE, AGENT, SCHEDULES)]
    given = {API: rights("api"), PAGE: rights("page"), AGENT: rights("agent"), SCHEDULES: rights("schedules")}
    for account, rules in {**given, RUNNER: runner()}.items():
        place = {"name": account, "namespace": args.namespace}
        group = "rbac.authorization.k8s.io"
        subject = {"kind": "ServiceAccount", "name": account, "namespace": args.namespace}
        made += [
            {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": place, "rules": rules},
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": place,
                "roleRef": {"apiGroup": group, "kind": "Role", "name": account},
                "subjects": [subject],
            },
        ]
    return made


def configuration(args: KubeflowArgs) -> list[Manifest]:
    """Where steps put what they make, and how they get there."""
    bucket = args.artifacts
    given = "fromEnv: true\n" if bucket.secret is None else _static(bucket.secret)
    providers = (
        f"s3:\n  default:\n    endpoint: {_host(bucket)}\n    disableSSL: {str(bucket.endpoint is not None).lower()}\n"
        f"    region: {bucket.region}\n    forcePathStyle: {str(bucket.endpoint is not None).lower()}\n"
        f"    credentials:\n      {given}"
    )
    root = pulumi.Output.concat("s3://", bucket.name, "/", bucket.prefix, "/artifacts").apply(
        lambda url: "s3://" + url.removeprefix("s3://").replace("//", "/")
    )
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": LAUNCHER, "namespace": args.namespace},
            "data": {"defaultPipelineRoot": root, "providers": providers},
        }
    ]


def metadata(args: KubeflowArgs) -> list[Manifest]:
    """The record of what was made from what, and its way out to browsers."""
    database = "mlmd-database"
    store = Container(
        f"gcr.io/tfx-oss-public/ml_metadata_store_server:{versions.ML_METADATA}",
        {"grpc": METADATA_PORT},
        command=("/bin/metadata_store_server",),
        # It reads nothing but arguments; they name variables that the kubelet fills in.
        args=(
            f"--grpc_port={METADATA_PORT}",
            "--metadata_source_config_type=postgresql",
            "--postgres_config_host=$(DB_HOST)",
            "--postgres_config_port=$(DB_PORT)",
            "--postgres_config_dbname=$(DB_NAME)",
            "--postgres_config_user=$(DB_USER)",
            "--postgres_config_password=$(DB_ENTRY)",
            "--postgres_config_skip_db_creation=true",
            "--enable_database_upgrade=true",
        ),
        secrets={
            "DB_HOST": (database, "host"),
            "DB_PORT": (database, "port"),
            "DB_NAME": (database, "name"),
            "DB_USER": (database, "username"),
            "DB_ENTRY": (database, "password"),
        },
    )
    proxy = Container(image("metadata-envoy"), {"http": PROXY_PORT}, memory="128Mi")
    return [
        deployment(METADATA, args.namespace, store),
        _also(service(METADATA, args.namespace, {"grpc-api": METADATA_PORT}), "metadata-grpc-service"),
        deployment(METADATA_PROXY, args.namespace, proxy),
        _also(service(METADATA_PROXY, args.namespace, {"http": PROXY_PORT}), "metadata-envoy-service"),
    ]


def parts(args: KubeflowArgs) -> list[Manifest]:
    """API, page, and the two that follow what runs."""
    bucket, database = args.artifacts, "kfp-database"
    s3: dict[str, pulumi.Input[str]] = {
        "OBJECTSTORECONFIG_HOST": _host(bucket).partition(":")[0],
        "OBJECTSTORECONFIG_PORT": _host(bucket).partition(":")[2],
        "OBJECTSTORECONFIG_SECURE": str(bucket.endpoint is None).lower(),
        "OBJECTSTORECONFIG_REGION": bucket.region,
        "OBJECTSTORECONFIG_BUCKETNAME": bucket.name,
    }
    keys = (
        {
            "OBJECTSTORECONFIG_ACCESSKEY": (bucket.secret, "AWS_ACCESS_KEY_ID"),
            "OBJECTSTORECONFIG_SECRETACCESSKEY": (bucket.secret, "AWS_SECRET_ACCESS_KEY"),
        }
        if bucket.secret
        else {}
    )
    postgres = "DBCONFIG_POSTGRESQLCONFIG"
    api = Container(
        image("api-server"),
        {"http": HTTP, "grpc": GRPC},
        ready="/apis/v1beta1/healthz",
        env={
            "POD_NAMESPACE": args.namespace,
            "CLUSTER_DOMAIN": "cluster.local",
            "AUTO_UPDATE_PIPELINE_DEFAULT_VERSION": "true",
            "DB_DRIVER_NAME": "pgx",
            "DBCONFIG_CONMAXLIFETIME": "120s",
            "V2_DRIVER_IMAGE": image("driver"),
            "V2_LAUNCHER_IMAGE": image("launcher"),
            "DEFAULT_SECURITY_CONTEXT_RUN_AS_NON_ROOT": "true",
            "DEFAULTPIPELINERUNNERSERVICEACCOUNT": RUNNER,
            "METADATA_GRPC_SERVICE_SERVICE_HOST": f"metadata-grpc-service.{HOME}",
            "METADATA_GRPC_SERVICE_SERVICE_PORT": str(METADATA_PORT),
            **s3,
        },
        secrets={
            f"{postgres}_HOST": (database, "host"),
            f"{postgres}_PORT": (database, "port"),
            f"{postgres}_DBNAME": (database, "name"),
            f"{postgres}_USER": (database, "username"),
            f"{postgres}_PASSWORD": (database, "password"),
            **keys,
        },
        memory="512Mi",
        cpu="100m",
    )
    page = Container(
        image("frontend"),
        {"http": PIPELINE.port},
        ready="/apis/v1beta1/healthz",
        env={
            "FRONTEND_SERVER_NAMESPACE": args.namespace,
            "ML_PIPELINE_SERVICE_HOST": API,
            "ML_PIPELINE_SERVICE_PORT": str(HTTP),
            "METADATA_ENVOY_SERVICE_SERVICE_HOST": "metadata-envoy-service",
            "METADATA_ENVOY_SERVICE_SERVICE_PORT": str(PROXY_PORT),
            "DISABLE_GKE_METADATA": "true",
            "ARGO_ARCHIVE_LOGS": "true",
            "ALLOW_CUSTOM_VISUALIZATIONS": "false",
        },
        secrets={"AWS_ACCESS_KEY_ID": keys["OBJECTSTORECONFIG_ACCESSKEY"]} if keys else {},
    )
    told: dict[str, pulumi.Input[str]] = {"NAMESPACE": args.namespace, "CRON_SCHEDULE_TIMEZONE": "UTC"}
    agent = Container(image("persistence-agent"), {}, env={**told, "NUM_WORKERS": "2"})
    schedules = Container(image("scheduled-workflow-controller"), {}, env=told)
    return [
        deployment(API, args.namespace, api, account=API),
        service(API, args.namespace, {"http": HTTP, "grpc": GRPC}),
        deployment(PAGE, args.namespace, page, account=PAGE),
        service(PAGE, args.namespace, {"http": PIPELINE.port}),
        _watching(AGENT, args, agent, "persistenceagent-sa-token"),
        _watching(SCHEDULES, args, schedules, "scheduledworkflow-sa-token"),
        route(PIPELINE, args.domain),
    ]


def _watching(name: str, args: KubeflowArgs, container: Container, token: str) -> Manifest:
    """A part that follows workflows and reports to the API, which knows it by a token made for it alone."""
    projected = {"path": token, "expirationSeconds": 3600, "audience": "pipelines.kubeflow.org"}
    made = deployment(
        name,
        args.namespace,
        replace(container, mounts={"token": "/var/run/secrets/kubeflow/tokens"}),
        volumes=[{"name": "token", "projected": {"sources": [{"serviceAccountToken": projected}]}}],
        account=name,
    )
    # They serve nothing that could be asked; without their token they can do nothing.
    probe = {"exec": {"command": ["test", "-s", f"/var/run/secrets/kubeflow/tokens/{token}"]}, "periodSeconds": 30}
    for kind in ("livenessProbe", "readinessProbe"):
        made["spec"]["template"]["spec"]["containers"][0][kind] = probe
    return made


def _also(made: Manifest, name: str) -> Manifest:
    """The same Service under the name that its clients have compiled in."""
    return {**made, "metadata": {**made["metadata"], "name": name}}


def _host(bucket: Bucket) -> str:
    if bucket.endpoint:
        return bucket.endpoint.removeprefix("http://")
    return f"s3.{bucket.region}.amazonaws.com:443"


def _static(secret: str) -> str:
    lines = ("fromEnv: false", "secretRef:", f"  secretName: {secret}")
    keys = ("  accessKeyKey: AWS_ACCESS_KEY_ID", "  secretKeyKey: AWS_SECRET_ACCESS_KEY")
    return "\n      ".join((*lines, *keys)) + "\n"


def _called(name: str, manifest: Manifest) -> str:
    return f"{name}-{manifest['metadata']['name']}"
