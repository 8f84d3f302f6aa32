"""An object store where the cloud brings none: SeaweedFS, which speaks S3, for one machine."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_random as random

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.namespace import Allow, NamespaceArgs
from infra.platform.pages import OBJECTS, route
from infra.platform.secrets import fingerprint, secret
from infra.platform.workload import Container, deployment, job, service, stateful_set

HOME, NAME = "object-store", "object-store"
S3, MASTER, FILER, VOLUME, ADMIN = 8333, 9333, 8888, 8080, OBJECTS.port
REGION = "us-east-1"
"""Any; clients ask for one."""
ENDPOINT = f"http://{NAME}.{HOME}.svc.cluster.local:{S3}"
SECRET = "object-store"  # noqa: S105 - its name
"""Secret of each tenant: ``credentials`` as AWS' tools read it, and the two halves of the key."""
NAMESPACE = NamespaceArgs(
    [
        Allow("clients", (S3,), ("serving", "mlflow", "kubeflow", "observability"), {"app": NAME}),
        Allow("page", (ADMIN,), ("istio-ingress",), {"app": OBJECTS.service}),
    ]
)
USER_ID = 1000


@dataclass(frozen=True)
class Tenant:
    """Who uses the store.

    Attributes:
        namespace: where the Secret with its key goes; exists already.
        buckets: what it may read and write.
    """

    namespace: str
    buckets: Sequence[str]


@dataclass(frozen=True)
class ObjectStoreArgs:
    """What the store needs from its surroundings.

    Attributes:
        namespace: its own.
        storage_class: of its volume.
        domain: of the gateway.
        tenants: by name.
        size_gib: of its volume.
    """

    namespace: str
    storage_class: str
    domain: pulumi.Input[str]
    tenants: Mapping[str, Tenant]
    size_gib: int = 20


class ObjectStore(pulumi.ComponentResource):
    """Buckets, and for each tenant a key that opens its own."""

    def __init__(self, name: str, args: ObjectStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:ObjectStore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        keys = {
            tenant: random.RandomPassword(f"{name}-{tenant}", length=40, special=False, opts=child).result
            for tenant in sorted(args.tenants)
        }
        known = identities(args.tenants, keys)
        first = apply(secret("identities", args.namespace, {"s3.json": known}), f"{name}-identities", child)
        after = pulumi.ResourceOptions(parent=self, depends_on=[first])
        running = [
            apply(manifest, f"{name}-{manifest['kind'].lower()}-{manifest['metadata']['name']}", after)
            for manifest in manifests(args, fingerprint(known))
        ]
        made = apply(buckets(args), f"{name}-buckets", pulumi.ResourceOptions(parent=self, depends_on=running))
        ready = pulumi.ResourceOptions(parent=self, depends_on=[made])
        for tenant, key in keys.items():
            apply(key_secret(tenant, args.tenants[tenant], key), f"{name}-{tenant}", ready)
        self.register_outputs({})


def identities(tenants: Mapping[str, Tenant], keys: Mapping[str, pulumi.Output[str]]) -> pulumi.Output[str]:
    """Who may do what in which bucket, as SeaweedFS reads it."""

    def written(secrets: Mapping[str, str]) -> str:
        verbs = ("Read", "Write", "List", "Tagging")
        listed = [
            {
                "name": tenant,
                "credentials": [{"accessKey": tenant, "secretKey": secrets[tenant]}],
                "actions": [f"{verb}:{bucket}" for bucket in tenants[tenant].buckets for verb in verbs],
            }
            for tenant in sorted(tenants)
        ]
        return json.dumps({"identities": listed})

    return pulumi.Output.all(**keys).apply(written)


def manifests(args: ObjectStoreArgs, fingerprinted: pulumi.Output[str]) -> list[Manifest]:
    """The store in one pod with a volume, its page, and the way to it."""
    store = Container(
        versions.SEAWEEDFS,
        {"s3": S3, "master": MASTER, "filer": FILER, "volume": VOLUME},
        args=(
            "server",
            "-dir=/data",
            "-ip.bind=0.0.0.0",
            f"-ip={NAME}",
            f"-master.port={MASTER}",
            f"-volume.port={VOLUME}",
            "-volume.max=0",
            "-filer",
            f"-filer.port={FILER}",
            "-s3",
            f"-s3.port={S3}",
            "-s3.config=/etc/identities/s3.json",
        ),
        mounts={"data": "/data", "identities": "/etc/identities"},
        memory="1Gi",
        cpu="100m",
        user=USER_ID,
    )
    page = Container(
        versions.SEAWEEDFS,
        {"http": ADMIN},
        args=("admin", f"-port={ADMIN}", f"-master={NAME}:{MASTER}", f"-urlPrefix={OBJECTS.path}", "-dataDir=/tmp"),
        memory="128Mi",
        user=USER_ID,
    )
    # It finds the ports of gRPC by adding 10,000 to the others.
    ports = dict(store.ports) | {f"{called}-grpc": port + 10_000 for called, port in store.ports.items()}
    own = service(NAME, args.namespace, ports)
    # Its parts find each other by this name before the pod is ready.
    own["spec"]["publishNotReadyAddresses"] = True
    return [
        own,
        stateful_set(
            NAME,
            args.namespace,
            store,
            storage_class=args.storage_class,
            size_gib=args.size_gib,
            volumes=({"name": "identities", "secret": {"secretName": "identities"}},),
            changes={"modelserve/identities": fingerprinted},
        ),
        deployment(OBJECTS.service, args.namespace, page),
        service(OBJECTS.service, args.namespace, {"http": ADMIN}),
        route(OBJECTS, args.domain),
    ]


def buckets(args: ObjectStoreArgs) -> Manifest:
    """The Job that makes the buckets; one that is there stays as it is."""
    names = sorted({bucket for tenant in args.tenants.values() for bucket in tenant.buckets})
    commands = "\n".join(f"s3.bucket.create -name {bucket}" for bucket in names)
    container = Container(
        versions.SEAWEEDFS,
        {},
        command=("/bin/sh", "-ec"),
        args=(f"weed shell -master={NAME}:{MASTER} -filer={NAME}:{FILER} <<'END'\n{commands}\nEND\n",),
        memory="128Mi",
        cpu="20m",
        user=USER_ID,
    )
    return job("make-buckets", args.namespace, container, app="make-buckets")


def key_secret(name: str, tenant: Tenant, key: pulumi.Output[str]) -> Manifest:
    """A tenant's key, in the forms in which its clients want it."""
    file = pulumi.Output.concat("[default]\naws_access_key_id = ", name, "\naws_secret_access_key = ", key, "\n")
    values = {"AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": key, "credentials": file}
    return secret(SECRET, tenant.namespace, values)
