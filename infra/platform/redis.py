"""The cache: a Redis here, or the one in AWS."""

from dataclasses import dataclass

import pulumi
import pulumi_random as random

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.external_secrets import Remote, external_secret
from infra.platform.namespace import Allow, NamespaceArgs
from infra.platform.secrets import fingerprint, secret
from infra.platform.surroundings import CacheAt
from infra.platform.workload import Container, deployment, service

HOME, NAME, PORT, USER_ID = "cache", "redis", 6379, 999
SECRET = "cache"  # noqa: S105 - its name
"""Secret of the apps' namespace whose key ``url`` has all that a client needs."""
NAMESPACE = NamespaceArgs([Allow("clients", (PORT,), ("serving",), {"app": NAME})])
MEMORY_MIB = 256


@dataclass(frozen=True)
class RedisArgs:
    """What the cache needs from its surroundings.

    Attributes:
        namespace: its own.
        at: where Redis runs outside the cluster; none runs one here.
        reader: namespace of those who use it.
    """

    namespace: str
    at: CacheAt | None
    reader: str


class Redis(pulumi.ComponentResource):
    """A Redis that asks for a password; nothing in it is missed when it is gone."""

    def __init__(self, name: str, args: RedisArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Redis", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        if args.at is None:
            password = random.RandomPassword(name, length=32, special=False, opts=child).result
            own = apply(secret(NAME, args.namespace, {"redis.conf": configuration(password)}), name, child)
            for manifest in server(args, password):
                apply(manifest, name, pulumi.ResourceOptions(parent=self, depends_on=[own]))
            host = f"{NAME}.{HOME}.svc.cluster.local"
            told = secret(
                SECRET, args.reader, {"url": pulumi.Output.concat("redis://:", password, f"@{host}:{PORT}/0")}
            )
        else:
            url = pulumi.Output.from_input(args.at.url).apply(
                lambda known: known.replace("rediss://", "rediss://:{{ .token | urlquery }}@", 1)
            )
            told = external_secret(SECRET, args.reader, {"token": Remote(args.at.secret_arn)}, {"url": url})
        apply(told, f"{name}-client", child)
        self.register_outputs({})


def configuration(password: pulumi.Output[str]) -> pulumi.Output[str]:
    """Redis' own file: never as arguments, which every process of the node could read."""
    lines = f"maxmemory {MEMORY_MIB}mb\nmaxmemory-policy allkeys-lru\nsave ''\nappendonly no\ndir /tmp\n"
    return pulumi.Output.concat("requirepass ", password, "\n", lines.replace("''", '""'))


def server(args: RedisArgs, password: pulumi.Output[str]) -> list[Manifest]:
    """One pod without a volume. It starts again when its password changes."""
    container = Container(
        versions.REDIS_IMAGE,
        {"redis": PORT},
        command=("valkey-server", "/etc/redis/redis.conf"),
        mounts={"configuration": "/etc/redis"},
        memory=f"{MEMORY_MIB + 128}Mi",
        user=USER_ID,
    )
    volumes = ({"name": "configuration", "secret": {"secretName": NAME}},)
    return [
        service(NAME, args.namespace, {"redis": PORT}),
        deployment(
            NAME, args.namespace, container, volumes=volumes, changes={"modelserve/password": fingerprint(password)}
        ),
    ]
