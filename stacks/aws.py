"""An account of AWS: network, cluster and stores, and on the cluster what any cluster gets."""

from collections.abc import Sequence
from typing import cast

import pulumi
from pulumi import ResourceOptions
from pulumi_aws import Provider, ProviderDefaultTagsArgs
from pulumi_kubernetes import Provider as KubernetesProvider

from infra.aws import grants
from infra.aws.access import Access, AccessArgs
from infra.aws.addons import Addons, AddonsArgs
from infra.aws.alarms import Alarms, AlarmsArgs
from infra.aws.artefacts import Artefacts, ArtefactsArgs
from infra.aws.budget import Budget, BudgetArgs
from infra.aws.cache import Cache, CacheArgs
from infra.aws.cluster import Cluster, ClusterArgs
from infra.aws.database import Database, DatabaseArgs
from infra.aws.disks import Disks, DisksArgs
from infra.aws.drain import Drain
from infra.aws.edge import Edge, EdgeArgs
from infra.aws.encryption import Encryption, EncryptionArgs
from infra.aws.firewall import Firewall, FirewallArgs
from infra.aws.identity import Identity, IdentityArgs
from infra.aws.network import Network, NetworkArgs
from infra.aws.node_groups import NodeGroup, NodeGroupArgs, WorkingHours
from infra.aws.policy import Statement
from infra.aws.registry import Registry, RegistryArgs
from infra.aws.rotation import Rotation, RotationArgs
from infra.aws.secrets import Secrets, SecretsArgs
from infra.aws.storage import Storage, StorageArgs
from infra.brisk import begin_plan
from infra.images import Images, ImagesArgs, lock_of
from infra.platform.surroundings import CacheAt, DatabaseAt, EdgeAt, Surroundings
from infra.serving.artefacts import needed
from infra.serving.spec import ServingSpec
from infra.settings import Settings
from infra.settings.aws import Aws
from stacks import cluster as on_any
from stacks.outputs import tell

NODE_PLATFORM = "linux/amd64"
IMAGE = "apps"
"""Repository of the images that apps run in."""
TELEMETRY = "telemetry"
"""Where logs and experiments lie in the bucket of data."""
LOGS_DAYS = 90
"""How long access logs are kept."""
IMAGES_KEPT = 50
"""How many images back a rollback can reach."""
AGAIN_DAYS = 7
"""Least time that AWS keeps a deleted key for."""


def deploy(settings: Settings, specs: Sequence[ServingSpec]) -> None:
    """Everything, from the keys up; each part after what it stands on."""
    # Reading the settings made sure.
    told = cast(Aws, settings.aws)
    stack = pulumi.get_stack()
    name = f"{pulumi.get_project()}-{stack}"
    tags = {**told.tags, "project": pulumi.get_project(), "stack": stack, "managed-by": "pulumi"}
    provider = Provider(
        name,
        region=told.region,
        allowed_account_ids=[told.account_id],
        default_tags=ProviderDefaultTagsArgs(tags=tags),
    )
    here = ResourceOptions(providers=[provider])
    begin_plan()

    # First what the SDK imports fast: the engine plans it while the network's and the firewall's half seconds pass.
    keys = Encryption(name, EncryptionArgs(told.account_id, told.region, told.recovery_days or AGAIN_DAYS), here)
    storage = Storage(name, StorageArgs(told.account_id, keys.storage, LOGS_DAYS, told.protected), here)
    encrypted = ResourceOptions.merge(here, ResourceOptions(depends_on=[storage]))
    published = Artefacts(name, ArtefactsArgs(storage.models, needed(specs)), encrypted)
    registry = Registry(name, RegistryArgs((IMAGE,), keys.registry, IMAGES_KEPT, told.protected), here)
    secrets = Secrets(
        name, SecretsArgs({"cache": "token of the prediction cache"}, keys.secrets, told.recovery_days), here
    )
    begin_plan()
    network = Network(
        name, NetworkArgs(told.region, told.zones, told.cidr, told.redundant, keys.logs, avoid=told.avoid), here
    )
    begin_plan()
    cluster = Cluster(
        name,
        ClusterArgs(
            region=told.region,
            subnet_ids=network.intra_subnet_ids,
            admins=told.admins,
            secrets_key_arn=keys.cluster,
            log_key_arn=keys.logs,
            protected=told.protected,
            private_cidrs=told.api.private_cidrs,
            public_cidrs=told.api.public_cidrs,
        ),
        here,
    )
    nodes = [
        NodeGroup(
            f"{name}-{kind}",
            NodeGroupArgs(
                kind=kind,
                cluster_name=cluster.name,
                cluster_security_group_id=cluster.security_group_id,
                vpc_id=network.vpc_id,
                subnet_ids=network.private_subnet_ids,
                kms_key_arn=keys.volumes,
                instance_types=group.instance_types,
                size=(group.size.min, group.size.first, group.size.max),
                disk_gib=group.disk_gib,
                tags=tags,
                gpu_sharing=group.sharing,
                mig_profile=group.slices,
                hours=WorkingHours(**group.hours.model_dump()) if group.hours else None,
            ),
            here,
        )
        for kind, group in told.nodes.chosen.items()
    ]
    begin_plan()
    ready = ResourceOptions.merge(here, ResourceOptions(depends_on=nodes))
    addons = Addons(name, AddonsArgs(cluster.name, cluster.provider_arn, cluster.issuer), ready)
    drain = Drain(name, cluster.kubeconfig, ResourceOptions(depends_on=[addons]))

    cache_door = Access(f"{name}-cache", AccessArgs(network.vpc_id, cluster.security_group_id, 6379), here)
    cache = Cache(
        name,
        CacheArgs(
            subnet_ids=network.intra_subnet_ids,
            security_group_id=cache_door.security_group_id,
            kms_key_arn=keys.cache,
            auth_token=secrets.first_values["cache"],
            node_type=told.cache.node_type,
            replicas=told.cache.replicas,
        ),
        here,
    )
    database_door = Access(f"{name}-database", AccessArgs(network.vpc_id, cluster.security_group_id, 5432), here)
    database = Database(
        name,
        DatabaseArgs(
            subnet_ids=network.intra_subnet_ids,
            security_group_id=database_door.security_group_id,
            kms_key_arn=keys.database,
            secrets_key_arn=keys.secrets,
            log_key_arn=keys.logs,
            instance_class=told.database.instance_class,
            storage_gib=told.database.storage_gib,
            max_storage_gib=told.database.max_storage_gib,
            multi_az=told.redundant,
            retention_days=told.database.retention_days,
            protected=told.protected,
        ),
        here,
    )
    Rotation(
        f"{name}-rotation",
        RotationArgs(
            account_id=told.account_id,
            region=told.region,
            secret_arns=secrets.arns,
            cache_secret_arn=secrets.arns["cache"],
            cache_group_id=cache.replication_group_id,
            secrets_key_arn=keys.secrets,
            log_key_arn=keys.logs,
        ),
        here,
    )

    begin_plan()
    firewall = Firewall(name, FirewallArgs(told.requests_per_minute, keys.logs), here)
    edge = Edge(
        name,
        EdgeArgs(
            region=told.region,
            domain=told.domain,
            zone_id=told.zone_id,
            vpc_id=network.vpc_id,
            public_subnet_ids=network.public_subnet_ids,
            cluster_security_group_id=cluster.security_group_id,
            web_acl_arn=firewall.web_acl_arn,
            log_bucket=storage.logs,
            protected=told.protected,
        ),
        here,
    )
    begin_plan()
    budget = Budget(
        name, BudgetArgs(told.account_id, told.monthly_usd, ("stack", stack), told.emails, keys.notices), here
    )
    Alarms(
        name,
        AlarmsArgs(
            topic_arn=budget.topic_arn,
            database=database.identifier,
            cache=cache.replication_group_id,
            cache_nodes=1 + told.cache.replicas,
            load_balancer=edge.load_balancer,
            target_group=edge.target_group,
        ),
        here,
    )

    pipelines = grants.write_objects(storage.data_arn, keys.storage, "pipelines/")
    may: dict[str, list[Statement]] = {
        "external-secrets/external-secrets": grants.read_secrets(
            [*secrets.arns.values(), database.secret_arn], keys.secrets
        ),
        "kube-system/aws-load-balancer-controller": grants.register_targets(edge.target_group_arn),
        "kube-system/cluster-autoscaler": grants.scale_nodes(name),
        "mlflow/mlflow": grants.write_objects(storage.data_arn, keys.storage, f"{TELEMETRY}/mlflow/"),
        "kubeflow/ml-pipeline": pipelines,
        "kubeflow/pipeline-runner": [*pipelines, *grants.write_objects(storage.models_arn, keys.storage)],
        "observability/alertmanager": grants.announce(budget.topic_arn, keys.notices),
        "observability/loki": grants.write_objects(storage.data_arn, keys.storage, f"{TELEMETRY}/loki/"),
        **{f"{on_any.APPS}/{spec.name}": _app_may(spec, storage, keys) for spec in specs},
    }
    roles = {who: _role(who, statements, name, cluster, here) for who, statements in may.items() if statements}

    begin_plan()
    # Nothing is on the cluster before its nodes and add-ons, and all of it goes before the drain. Another issuer is
    # another cluster; a kubeconfig that merely changes must not replace what is there (pulumi-kubernetes #4019).
    on_cluster = KubernetesProvider(
        name,
        kubeconfig=cluster.kubeconfig,
        cluster_identifier=cluster.issuer,
        opts=ResourceOptions(depends_on=[drain]),
    )
    there = ResourceOptions(providers=[on_cluster])
    disks = Disks(name, DisksArgs(keys.volumes, tags), there)
    images = Images(name, ImagesArgs(registry.urls[IMAGE], {spec.name: lock_of(spec) for spec in specs}, NODE_PLATFORM))
    models_url = pulumi.Output.concat("s3://", storage.models)
    around = Surroundings(
        stack=stack,
        domain=told.domain,
        region=told.region,
        storage_class=disks.storage_class,
        models_url=models_url,
        data_url=pulumi.Output.concat("s3://", storage.data),
        logs_url=pulumi.Output.concat("s3://", storage.data, "/", TELEMETRY),
        database=DatabaseAt(database.address, database.port, database.secret_arn),
        cache=CacheAt(cache.url, secrets.arns["cache"]),
        edge=EdgeAt(edge.target_group_arn, edge.security_group_id, network.vpc_id),
        roles=roles,
        gpu=told.nodes.gpu is not None,
        gpu_sharing=told.nodes.gpu.gpu_sharing if told.nodes.gpu else "exclusive",
        replicas=2 if told.redundant else 1,
        images=images.references,
        cluster=cluster.name,
        published=published,
        avoid_spot=told.nodes.general is not None,
        topic_arn=budget.topic_arn,
    )

    begin_plan()
    pages = on_any.deploy(around, settings, specs, there)
    stores = {"registry": registry.urls[IMAGE], "postgres": database.url, "redis": cache.url, "models": models_url}
    tell(edge.url, specs, {**stores, **pages})
    # Without a credential: whoever uses it asks AWS for a token of their own.
    pulumi.export("kubeconfig", cluster.kubeconfig)


def _role(
    account: str, statements: Sequence[Statement], name: str, cluster: Cluster, opts: ResourceOptions
) -> pulumi.Output[str]:
    """A role for ``<namespace>/<service account>``."""
    namespace, _, service_account = account.partition("/")
    who = IdentityArgs(cluster.provider_arn, cluster.issuer, namespace, service_account, statements)
    # Only where two namespaces could have an account of the same name: a role's name ends at 64 signs.
    part = f"{namespace}-{service_account}" if namespace == on_any.APPS else service_account
    return Identity(f"{name}-{part}", who, opts).role_arn


def _app_may(spec: ServingSpec, storage: Storage, keys: Encryption) -> list[Statement]:
    """Read the models it serves, and keep its own objects; what is secret reaches it through the cluster."""
    models = [spec.model, spec.model.alternative] if spec.model else []
    may = [
        statement
        for model in models
        if model
        for statement in grants.read_objects(storage.models_arn, keys.storage, f"{model.name}/")
    ]
    if spec.objects:
        may += grants.write_objects(storage.data_arn, keys.storage, f"{spec.name}/")
    return may
