"""What the internet can reach."""

from collections.abc import Iterator
from ipaddress import ip_network

from pack.documents import allowing, conditions, everyone
from pack.resource import UNKNOWN, Resource, Stack, Unknown, dig, each
from pack.rule import Faults, StackFaults, rule, stack_rule
from rules.encryption import BUCKETS

INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
BALANCER = "aws:*lb/loadBalancer:LoadBalancer"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
WEB = ("port 443", "port 80", UNKNOWN)
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
WIDEST_PREFIX = 8
"""Length of the prefix of the largest range that an allow-list may hold; 10.0.0.0/8 is the largest private one."""


@rule("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "aws:s3/bucketAcl*:*", *BUCKETS)
def bucket_not_public(resource: Resource) -> Faults:
    """Buckets are not public.

    Set all four of ``BucketPublicAccessBlock`` to true, and give no ACL beyond ``private`` and log delivery.
    """
    if resource.isa("aws:s3/bucketPublicAccessBlock:*"):
        for block in BLOCKS:
            if not resource.get(block):
                yield f"{block} is not true"
    elif str(resource.get("acl")).startswith(("public", "authenticated")):
        yield f"acl is {resource.get('acl')}"


@stack_rule()
def bucket_blocked(stack: Stack) -> StackFaults:
    """Every bucket is closed to the public, whatever its policy and its objects say.

    Add a ``BucketPublicAccessBlock`` for it.
    """
    for bucket in stack.of(*BUCKETS):
        if not stack.leading_to(bucket, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "bucket"):
            yield "no BucketPublicAccessBlock names this bucket", bucket


@rule(
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sqs/queuePolicy:QueuePolicy",
    "aws:secretsmanager/secretPolicy:SecretPolicy",
    "aws:kms/key:Key",
)
def resource_policy_names_principals(resource: Resource) -> Faults:
    """Policies of buckets, repositories, topics, queues, secrets and keys let nobody in by ``*``.

    Name the principals, or add a condition that only callers of ours meet.
    """
    for statement in allowing(resource.get("policy")):
        if everyone(statement) and not any(_narrows(*one) for one in conditions(statement)):
            yield f"everybody may {statement.get('Action')}"


@rule("aws:rds/instance:Instance", "aws:rds/clusterInstance:ClusterInstance")
def database_not_public(resource: Resource) -> Faults:
    """Databases have no public address.

    Leave ``publicly_accessible`` false, and reach them from the cluster or through Session Manager.
    """
    if resource.get("publiclyAccessible") is True:
        yield "publiclyAccessible is true"


@rule("aws:eks/cluster:Cluster")
def cluster_api_allow_listed(resource: Resource) -> Faults:
    """The Kubernetes API is private, or public to listed ranges alone.

    Set ``endpoint_public_access`` to false (EKS's default is true), or give ``public_access_cidrs``.
    """
    public = resource.get("vpcConfig", "endpointPublicAccess")
    ranges = resource.get("vpcConfig", "publicAccessCidrs")
    if public in (False, UNKNOWN) or ranges is UNKNOWN:
        return
    if not ranges:
        yield "vpcConfig opens the API to everybody: endpointPublicAccess is not false and publicAccessCidrs is empty"
    for one in resource.each("vpcConfig", "publicAccessCidrs"):
        if _wide(one):
            yield f"publicAccessCidrs lists {one}"


@rule(INGRESS_RULE, GROUP_RULE, GROUP)
def ingress_allow_listed(resource: Resource) -> Faults:
    """Nobody lets the whole internet in, except to the ports 443 and 80 of a load balancer.

    Name a security group or the ranges that need it.
    """
    for who, ports in _doors(resource):
        if _wide(who) and ports not in WEB:
            yield f"{who} reaches {ports}"


@stack_rule()
def open_doors_at_balancers_only(stack: Stack) -> StackFaults:
    """A security group that the whole internet may enter is a load balancer's, and nothing else's.

    Put the rule on a group of its own and only the load balancer into it.
    """
    for door in stack.of(INGRESS_RULE, GROUP_RULE, GROUP):
        if not any(_wide(who) for who, _ in _doors(door)):
            continue
        named = door.leads_to.get("securityGroupId", frozenset())
        groups = [one for one in stack.of(GROUP) if one is door or one.urn in named]
        if not any(stack.leading_to(group, BALANCER, "securityGroups") for group in groups):
            yield "the internet may enter here, and no load balancer stands behind this door", door
        for prop in ("vpcSecurityGroupIds", "securityGroupIds"):
            for other in stack.of("aws:*"):
                if not other.leads_to.get(prop, frozenset()).intersection(group.urn for group in groups):
                    continue
                yield f"the internet may enter here, and {other.name} ({other.type}) stands behind this door", door


@rule("aws:ec2/subnet:Subnet", "aws:ec2/instance:Instance", "aws:ec2/launchTemplate:LaunchTemplate")
def no_public_addresses(resource: Resource) -> Faults:
    """Machines have no public address.

    Leave ``map_public_ip_on_launch`` and ``associate_public_ip_address`` false; the way out is NAT.
    """
    if resource.get("mapPublicIpOnLaunch") is True:
        yield "mapPublicIpOnLaunch is true"
    for place in (resource.props, *resource.each("networkInterfaces")):
        if dig(place, "associatePublicIpAddress") in (True, "true"):
            yield "associatePublicIpAddress is true"


def _doors(resource: Resource) -> Iterator[tuple[str, str | Unknown]]:
    """Who may enter, and through which ports."""
    if resource.isa(INGRESS_RULE):
        protocol, ranges, doors = "ipProtocol", ("cidrIpv4", "cidrIpv6"), [resource.props]
    else:
        protocol, ranges, doors = "protocol", ("cidrBlocks", "ipv6CidrBlocks"), resource.each("ingress")
        if resource.isa(GROUP_RULE) and resource.get("type") == "ingress":
            doors = [resource.props]
    for door in doors:
        for prop in ranges:
            for who in each(door, prop):
                yield who, _ports(door, protocol)


def _ports(door: object, protocol: str) -> str | Unknown:
    first, last = dig(door, "fromPort"), dig(door, "toPort")
    if UNKNOWN in (first, last, dig(door, protocol)):
        return UNKNOWN
    if dig(door, protocol) in ("-1", "all") or None in (first, last):
        return "every port"
    # The engine's numbers are floating ones.
    return f"port {first:.0f}" if first == last else f"ports {first:.0f} to {last:.0f}"


def _wide(who: object) -> bool:
    try:
        return ip_network(str(who), strict=False).prefixlen < WIDEST_PREFIX
    except ValueError:
        return False


def _narrows(operator: str, key: str, values: list[str]) -> bool:
    return "Not" not in operator and key.lower() != "aws:securetransport" and "*" not in values
