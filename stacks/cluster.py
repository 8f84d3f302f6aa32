"""What goes into any cluster, whoever made it: the platform, and on it the apps."""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi import Input, Output, Resource, ResourceOptions

from infra.kubernetes import apply
from infra.platform import (
    artefacts,
    autoscaler,
    cert_manager,
    external_secrets,
    gateway,
    istio,
    keda,
    knative,
    kserve,
    kubeflow,
    kuberay,
    load_balancer,
    login,
    mlflow,
    monitoring,
    notices,
    object_store,
    pages,
    postgres,
    redis,
    reload,
    tracing,
)
from infra.platform.argo import RUNNER, Argo, ArgoArgs
from infra.platform.bucket import Bucket
from infra.platform.gateway_api import GatewayApi
from infra.platform.gpu import Gpu, GpuArgs
from infra.platform.index import Index, IndexArgs
from infra.platform.logs import Logs, LogsArgs
from infra.platform.namespace import METRICS, Namespace, NamespaceArgs, Quota
from infra.platform.surroundings import Surroundings
from infra.serving import mesh
from infra.serving.app import App, AppArgs
from infra.serving.artefacts import needed
from infra.serving.cluster import Around
from infra.serving.spec import ServingSpec
from infra.settings import Settings
from infra.settings.cluster import Components

APPS = "serving"
APPS_NAMESPACE = NamespaceArgs(
    closed=True, labels={"istio-injection": "enabled"}, quota=Quota(pods=300, cpu=256, memory_gib=1024)
)


def deploy(
    around: Surroundings, settings: Settings, specs: Sequence[ServingSpec], opts: ResourceOptions
) -> Mapping[str, Output[Any]]:
    """The platform and the apps; ``opts`` has the provider of the cluster.

    Returns:
        Where the platform's own pages are, by name.
    """
    told, chosen = settings.platform, settings.platform.components
    stores = Stores(around)
    homes = {name: Namespace(name, args, opts) for name, args in namespaces(around, chosen).items()}

    def after(*parts: Resource) -> ResourceOptions:
        return ResourceOptions.merge(opts, ResourceOptions(depends_on=parts))

    secrets = _secrets(around, after(homes[external_secrets.NAME])) if around.region else []
    routes = GatewayApi("gateway-api", istio.SYSTEM, after(homes[istio.SYSTEM]))
    backing = _backing(around, specs, chosen, stores, after(*homes.values(), *secrets, routes))

    certificates = cert_manager.CertManager(
        "cert-manager",
        cert_manager.CertManagerArgs("cert-manager", around.replicas),
        after(homes["cert-manager"]),
    )
    traces = tracing.ADDRESS if chosen.tracing else None
    meshed = istio.Istio(
        "istio",
        istio.IstioArgs(istio.SYSTEM, around.replicas, login.ADDRESS, traces),
        after(homes[istio.SYSTEM], routes),
    )
    edge = [_balancer(around, after(certificates))] if around.edge else []
    door = gateway.Gateway(
        "gateway",
        gateway.GatewayArgs(
            gateway.HOME, around.domain, cert_manager.ISSUER, around.edge, around.replicas, (APPS, *homes)
        ),
        after(homes[gateway.HOME], meshed, certificates, *edge),
    )
    shown = _pages(around, chosen)
    asked = login.Login(
        "login",
        login.LoginArgs(gateway.HOME, around.replicas, [page.path for page in shown]),
        after(homes[gateway.HOME], meshed),
    )
    Index("index", IndexArgs(gateway.HOME, around.domain, around.replicas, specs), after(homes[gateway.HOME], routes))

    watching = monitoring.Monitoring(
        "monitoring",
        monitoring.MonitoringArgs(
            METRICS,
            around.domain,
            around.url,
            around.storage_class,
            around.replicas,
            told.retention_days,
            asked.password,
            chosen.logs,
            chosen.tracing,
            around.avoid_spot,
            notices.topic(around),
        ),
        after(homes[METRICS], routes, certificates),
    )
    if chosen.logs:
        kept = stores.logs("loki", around.roles.get(f"{METRICS}/loki"))
        args = LogsArgs(METRICS, around.storage_class, told.retention_days, kept, around.avoid_spot)
        Logs("logs", args, after(watching, *backing))
    if chosen.tracing:
        tracing.Tracing("tracing", tracing.TracingArgs(METRICS, around.replicas), after(homes[METRICS]))
    if around.gpu:
        Gpu("gpu", GpuArgs(around.gpu_sharing), after(watching))
    _training(around, chosen, stores, after(*homes.values(), *backing, routes))

    served = knative.Knative(
        "knative",
        knative.KnativeArgs(knative.OPERATOR, knative.HOME_OF_SERVING, around.replicas),
        after(homes[knative.OPERATOR], homes[knative.HOME_OF_SERVING], meshed),
    )
    models = kserve.KServe(
        "kserve", kserve.KServeArgs("kserve", around.domain), after(homes["kserve"], certificates, served, door)
    )
    scaled = keda.Keda("keda", "keda", around.replicas, after(homes["keda"]))
    composed = [kuberay.KubeRay("kuberay", "kuberay", after(homes["kuberay"]))] if chosen.kuberay else []
    training = [kubeflow.HOME] if chosen.kubeflow else []
    asking = reload.ReloadToken("reload-token", APPS, training, after(*(homes[home] for home in (APPS, *training))))
    published = _published(around, stores, specs, after(homes[APPS], *backing))
    ready = after(homes[APPS], door, models, scaled, watching, *composed, *backing, *published, asking)
    placed = {spec.name: _around(spec, around, stores, chosen) for spec in specs}
    for first in list(placed.values())[:1]:
        apply(mesh.at_gateway(first), "gateway-answers", ready)
    for spec in specs:
        App(spec.name, AppArgs(spec, placed[spec.name]), ready)
    return {page.path.strip("/"): Output.concat(around.url, page.path, "/") for page in shown}


def namespaces(around: Surroundings, chosen: Components) -> dict[str, NamespaceArgs]:
    """Every namespace of the platform, and the apps'."""
    always = {
        APPS: APPS_NAMESPACE,
        "cert-manager": cert_manager.NAMESPACE,
        istio.SYSTEM: istio.NAMESPACE,
        gateway.HOME: gateway.NAMESPACE,
        knative.OPERATOR: knative.OPERATOR_NAMESPACE,
        knative.HOME_OF_SERVING: knative.NAMESPACE,
        "kserve": kserve.NAMESPACE,
        "keda": keda.NAMESPACE,
        METRICS: monitoring.NAMESPACE,
        postgres.HOME: postgres.NAMESPACE,
    }
    sometimes = {
        external_secrets.NAME: (external_secrets.NAMESPACE, around.region is not None),
        redis.HOME: (redis.NAMESPACE, around.cache is None),
        object_store.HOME: (object_store.NAMESPACE, around.models_url is None),
        "mlflow": (mlflow.NAMESPACE, chosen.mlflow),
        kubeflow.HOME: (kubeflow.NAMESPACE, chosen.kubeflow),
        "kuberay": (kuberay.NAMESPACE, chosen.kuberay),
    }
    return always | {name: args for name, (args, wanted) in sometimes.items() if wanted}


class Stores:
    """Where objects are: in the cloud's buckets, or in those of the platform's own store."""

    def __init__(self, around: Surroundings) -> None:
        self.own = around.models_url is None
        self.models_url: Input[str] = around.models_url or "s3://models"
        self.data_url: Input[str] = around.data_url or "s3://data"
        self._logs_url: Input[str] = around.logs_url or "s3://logs"
        self.region = around.region or object_store.REGION
        self.endpoint = object_store.ENDPOINT if self.own else None
        self.secret = object_store.SECRET if self.own else None

    def data(self, folder: str, role: Input[str] | None) -> Bucket:
        """A folder for data."""
        return self._bucket(self.data_url, folder, role)

    def logs(self, folder: str, role: Input[str] | None) -> Bucket:
        """A folder for what the platform writes of itself."""
        return self._bucket(self._logs_url, folder, role)

    def _bucket(self, url: Input[str], folder: str, role: Input[str] | None) -> Bucket:
        return Bucket(Output.concat(url, "/", folder), self.region, self.endpoint, self.secret, role)


def _secrets(around: Surroundings, opts: ResourceOptions) -> list[Resource]:
    args = external_secrets.ExternalSecretsArgs(
        external_secrets.NAME,
        around.replicas,
        str(around.region),
        around.roles[f"{external_secrets.NAME}/{external_secrets.NAME}"],
        (APPS, postgres.HOME),
    )
    return [external_secrets.ExternalSecrets("external-secrets", args, opts)]


def _backing(
    around: Surroundings, specs: Sequence[ServingSpec], chosen: Components, stores: Stores, opts: ResourceOptions
) -> list[Resource]:
    """What keeps data: databases, the cache, and objects where no bucket is."""
    wanted = {spec.name: APPS for spec in specs if spec.database}
    wanted |= {"mlflow": "mlflow"} if chosen.mlflow else {}
    wanted |= dict.fromkeys(kubeflow.DATABASES, kubeflow.HOME) if chosen.kubeflow else {}
    made: list[Resource] = [
        postgres.Databases(
            "databases",
            postgres.DatabasesArgs(postgres.HOME, around.database, around.storage_class, wanted),
            opts,
        ),
        redis.Redis("cache", redis.RedisArgs(redis.HOME, around.cache, APPS), opts),
    ]
    if stores.own:
        tenants = {"apps": object_store.Tenant(APPS, ("models", "data"))}
        if chosen.logs:
            tenants["loki"] = object_store.Tenant(METRICS, ("logs",))
        if chosen.mlflow:
            tenants["mlflow"] = object_store.Tenant("mlflow", ("logs",))
        if chosen.kubeflow:
            tenants["training"] = object_store.Tenant(kubeflow.HOME, ("data", "models"))
        args = object_store.ObjectStoreArgs(object_store.HOME, around.storage_class, around.domain, tenants)
        made.append(object_store.ObjectStore("objects", args, opts))
    return made


def _published(
    around: Surroundings, stores: Stores, specs: Sequence[ServingSpec], opts: ResourceOptions
) -> list[Resource]:
    """What puts the apps' models where they look for them; into the platform's own store, this machine does."""
    if stores.own and around.kubeconfig is not None:
        args = artefacts.ArtefactsArgs(around.kubeconfig, APPS, stores.models_url, needed(specs))
        return [artefacts.Artefacts("artefacts", args, opts)]
    return [around.published] if around.published else []


def _training(around: Surroundings, chosen: Components, stores: Stores, opts: ResourceOptions) -> None:
    if chosen.mlflow:
        kept = stores.logs("mlflow", around.roles.get("mlflow/mlflow"))
        mlflow.Mlflow("mlflow", mlflow.MlflowArgs("mlflow", around.domain, around.url, around.replicas, kept), opts)
    if chosen.kubeflow:
        kept = stores.data("pipelines", around.roles.get(f"{kubeflow.HOME}/{RUNNER}"))
        steps = Argo("argo", ArgoArgs(kubeflow.HOME, around.replicas, kept), opts)
        kubeflow.Kubeflow(
            "kubeflow",
            kubeflow.KubeflowArgs(
                kubeflow.HOME, around.domain, kept, around.roles.get(f"{kubeflow.HOME}/{kubeflow.API}")
            ),
            ResourceOptions.merge(opts, ResourceOptions(depends_on=[steps])),
        )


def _balancer(around: Surroundings, opts: ResourceOptions) -> Resource:
    """What AWS' own controllers do: targets of the load balancer, and the number of nodes."""
    cluster = around.cluster or f"modelserve-{around.stack}"
    if role := around.roles.get(f"kube-system/{autoscaler.NAME}"):
        autoscaler.Autoscaler("autoscaler", autoscaler.AutoscalerArgs(cluster, str(around.region), role), opts)
    assert around.edge  # noqa: S101 - the caller has looked
    return load_balancer.LoadBalancer(
        "load-balancer",
        load_balancer.LoadBalancerArgs(
            around.replicas,
            cluster,
            str(around.region),
            around.edge.vpc_id,
            around.roles[f"kube-system/{load_balancer.NAME}"],
        ),
        opts,
    )


def _pages(around: Surroundings, chosen: Components) -> list[pages.Page]:
    possible = (
        (pages.GRAFANA, True),
        (pages.MLFLOW, chosen.mlflow),
        (pages.PIPELINE, chosen.kubeflow),
        (pages.OBJECTS, around.models_url is None),
    )
    return [page for page, wanted in possible if wanted]


def _around(spec: ServingSpec, around: Surroundings, stores: Stores, chosen: Components) -> Around:
    """What one app finds."""
    return Around(
        namespace=APPS,
        gateway=f"{gateway.HOME}/{gateway.NAME}",
        domain=around.domain,
        image=spec.image or around.images[spec.name],
        models_url=stores.models_url,
        service_account_role=around.roles.get(f"{APPS}/{spec.name}"),
        database_secret=f"{spec.name}-database" if spec.database else None,
        objects_url=Output.concat(stores.data_url, f"/{spec.name}") if spec.objects else None,
        cache_secret=redis.SECRET if spec.cache.ttl_s else None,
        s3_endpoint=stores.endpoint,
        s3_secret=stores.secret,
        s3_region=stores.region,
        registry_url=f"mlflow+http://{mlflow.HOST}{pages.MLFLOW.path}" if chosen.mlflow else None,
        reload_secret=reload.SECRET,
        replicas=around.replicas,
        prometheus_url=monitoring.PROMETHEUS,
        database_namespace=None if around.database else postgres.HOME,
        cache_namespace=None if around.cache else redis.HOME,
        s3_namespace=object_store.HOME if stores.own else None,
        knative_gateway=f"{gateway.HOME}/{gateway.KNATIVE_LOCAL}",
    )
