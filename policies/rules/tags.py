"""Tags: whose something is, in the bill and in the console."""

import json
from collections.abc import Mapping

from pack.resource import UNKNOWN, Resource
from pack.rule import Faults, rule

KEYS = ("project", "stack", "managed-by")
TAGGED = (
    "aws:ec2/vpc:Vpc",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/eip:Eip",
    "aws:ec2/instance:Instance",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:ebs/volume:Volume",
    "aws:eks/cluster:Cluster",
    "aws:eks/nodeGroup:NodeGroup",
    "aws:rds/instance:Instance",
    "aws:rds/cluster:Cluster",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "aws:s3/bucket:Bucket",
    "aws:ecr/repository:Repository",
    "aws:kms/key:Key",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:secretsmanager/secret:Secret",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:iam/role:Role",
    "aws:lambda/function:Function",
    "aws:wafv2/webAcl:WebAcl",
)
"""What costs, holds data or gives rights, of the types that take tags."""


def _origin(resource: Resource) -> dict[tuple[str, ...], str]:
    origin = {"project": resource.project, "stack": resource.stack, "managed-by": "pulumi"}
    return {("tags", key): origin[key] for key in _missing(resource)}


@rule(*TAGGED, remedy=_origin)
def origin_tagged(resource: Resource) -> Faults:
    """Everything says where it comes from, in the tags ``project``, ``stack`` and ``managed-by``.

    Set them once as ``default_tags`` of the provider; the budget counts by them. Where they are missing they are set.
    """
    for key in _missing(resource):
        yield f"tags.{key} is missing"


def _missing(resource: Resource) -> list[str]:
    # The provider puts its default tags in only when it makes something; its properties are JSON in JSON.
    given: dict[str, object] = {}
    defaults = resource.provider.get("defaultTags")
    if isinstance(defaults, str):
        defaults = json.loads(defaults)
    for tags in (resource.get("tags"), resource.get("tagsAll"), (defaults or {}).get("tags")):
        if tags is UNKNOWN:
            return []
        given |= tags if isinstance(tags, Mapping) else {}
    return [key for key in KEYS if not given.get(key)]
