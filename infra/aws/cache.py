"""The Redis that caches predictions: one replication group, encrypted in transit and at rest."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import elasticache

from infra import versions


@dataclass(frozen=True)
class CacheArgs:
    """What a cache needs from its surroundings.

    Attributes:
        subnet_ids: subnets without a way out, one per availability zone the cache may use.
        security_group_id: lets in the cluster's pods on 6379 and nobody else.
        kms_key_arn: encrypts snapshots and disk.
        auth_token: what clients show; 16 to 128 letters and digits.
        node_type: ElastiCache node type, for example ``cache.r7g.large``.
        replicas: read replicas beside the primary; with 1 or more the group fails over by itself.
    """

    subnet_ids: pulumi.Input[list[str]]
    security_group_id: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    auth_token: pulumi.Input[str]
    node_type: str
    replicas: int = 0


class Cache(pulumi.ComponentResource):
    """A Redis endpoint for the serving apps."""

    url: pulumi.Output[str]
    """``rediss://`` URL without the token, which pods read from their secret."""
    replication_group_id: pulumi.Output[str]
    """Names the group to what rotates its token."""

    def __init__(self, name: str, args: CacheArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Cache", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        subnets = elasticache.SubnetGroup(name, subnet_ids=args.subnet_ids, opts=child)
        group = elasticache.ReplicationGroup(
            name,
            description=f"Prediction cache of {name}",
            engine="redis",
            engine_version=versions.REDIS,
            node_type=args.node_type,
            num_cache_clusters=1 + args.replicas,
            automatic_failover_enabled=args.replicas > 0,
            multi_az_enabled=args.replicas > 0,
            subnet_group_name=subnets.name,
            security_group_ids=[args.security_group_id],
            transit_encryption_enabled=True,
            at_rest_encryption_enabled=True,
            kms_key_id=args.kms_key_arn,
            auth_token=args.auth_token,
            opts=child,
        )

        self.url = pulumi.Output.concat("rediss://", group.primary_endpoint_address, ":6379")
        self.replication_group_id = group.id
        self.register_outputs({"url": self.url, "replication_group_id": self.replication_group_id})
