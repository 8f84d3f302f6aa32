"""What the internet can reach."""

import json
from typing import Any

from tests.judge import Made, faulty, fine, made

BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
CLOSED = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
BUCKET = made("aws:s3/bucket:Bucket", "models")
DATABASE = "aws:rds/instance:Instance"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EVERYBODY = "0.0.0.0/0"
BALANCER = made("aws:lb/loadBalancer:LoadBalancer", "balancer", leads_to={"securityGroups": "group"})


def policy(**more: Any) -> Made:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Principal": "*", **more}
    return made("aws:s3/bucketPolicy:BucketPolicy", policy=json.dumps({"Statement": statement}))


def cluster(**network: Any) -> Made:
    return made("aws:eks/cluster:Cluster", vpcConfig=network)


def rule(cidr: str, port: float = 443, **more: Any) -> Made:
    door = {"cidrIpv4": cidr, "ipProtocol": "tcp", "fromPort": port, "toPort": port}
    return made(RULE, "rule", leads_to={"securityGroupId": "group"}, **{**door, **more})


def alone(one: Made) -> Made:
    return made(one.type, one.name, **one.props)


CASES = [
    fine("bucket-not-public", "a block of all four", made(BLOCK, **CLOSED)),
    faulty(
        "bucket-not-public",
        "a block of three",
        "restrictPublicBuckets",
        made(BLOCK, **{**CLOSED, "restrictPublicBuckets": False}),
    ),
    fine("bucket-not-public", "a private ACL", made("aws:s3/bucketAcl:BucketAcl", acl="private")),
    faulty("bucket-not-public", "a public ACL", "public-read", made("aws:s3/bucketAcl:BucketAcl", acl="public-read")),
    faulty("bucket-not-public", "a public ACL of old", "public-read", made("aws:s3/bucket:Bucket", acl="public-read")),
    fine(
        "bucket-blocked",
        "a bucket and its block",
        BUCKET,
        made(BLOCK, "block", leads_to={"bucket": "models"}, **CLOSED),
    ),
    faulty("bucket-blocked", "a bucket alone", "no BucketPublicAccessBlock", BUCKET),
    fine("resource-policy-names-principals", "one account", policy(Principal={"AWS": "arn:aws:iam::1:root"})),
    fine(
        "resource-policy-names-principals",
        "everybody of one account",
        policy(Condition={"StringEquals": {"kms:CallerAccount": "1"}}),
    ),
    fine("resource-policy-names-principals", "a denial for everybody", policy(Effect="Deny")),
    faulty("resource-policy-names-principals", "everybody", "everybody may s3:GetObject", policy()),
    faulty("resource-policy-names-principals", "everybody of AWS", "everybody may", policy(Principal={"AWS": ["*"]})),
    faulty(
        "resource-policy-names-principals",
        "everybody over TLS",
        "everybody may",
        policy(Condition={"Bool": {"aws:SecureTransport": "true"}}),
    ),
    fine("database-not-public", "a private database", made(DATABASE, publiclyAccessible=False)),
    faulty("database-not-public", "a public one", "publiclyAccessible", made(DATABASE, publiclyAccessible=True)),
    fine("cluster-api-allow-listed", "a private API", cluster(endpointPublicAccess=False)),
    fine(
        "cluster-api-allow-listed",
        "an API for an office",
        cluster(endpointPublicAccess=True, publicAccessCidrs=["192.0.2.0/24"]),
    ),
    faulty("cluster-api-allow-listed", "an API that says nothing", "to everybody", cluster(subnetIds=["subnet-1"])),
    faulty(
        "cluster-api-allow-listed",
        "an API for half the internet",
        "lists 0.0.0.0/1",
        cluster(publicAccessCidrs=["0.0.0.0/1"]),
    ),
    fine("ingress-allow-listed", "HTTPS for everybody", rule(EVERYBODY)),
    fine("ingress-allow-listed", "Postgres for a network of ours", rule("10.0.0.0/8", 5432)),
    fine("ingress-allow-listed", "a way out for everybody", made(GROUP_RULE, type="egress", cidrBlocks=[EVERYBODY])),
    faulty("ingress-allow-listed", "Postgres for everybody", "0.0.0.0/0 reaches port 5432", rule(EVERYBODY, 5432)),
    faulty("ingress-allow-listed", "80 to 443 for everybody", "ports 80 to 443", rule(EVERYBODY, fromPort=80)),
    faulty("ingress-allow-listed", "everything for everybody", "every port", rule(EVERYBODY, ipProtocol="-1")),
    faulty(
        "ingress-allow-listed", "Redis for all of IPv6", "::/0", made(RULE, cidrIpv6="::/0", fromPort=6379, toPort=6379)
    ),
    faulty(
        "ingress-allow-listed",
        "SSH for everybody, written into the group",
        "port 22",
        made(GROUP, ingress=[{"cidrBlocks": [EVERYBODY], "protocol": "tcp", "fromPort": 22, "toPort": 22}]),
    ),
    faulty(
        "ingress-allow-listed",
        "SSH for everybody, as a rule of old",
        "port 22",
        made(GROUP_RULE, type="ingress", cidrBlocks=[EVERYBODY], protocol="tcp", fromPort=22, toPort=22),
    ),
    fine("open-doors-at-balancers-only", "HTTPS to a load balancer", made(GROUP, "group"), rule(EVERYBODY), BALANCER),
    fine(
        "open-doors-at-balancers-only", "HTTPS from an office to anything", made(GROUP, "group"), rule("192.0.2.0/24")
    ),
    faulty(
        "open-doors-at-balancers-only",
        "HTTPS to nothing we know",
        "no load balancer",
        made(GROUP, "group"),
        rule(EVERYBODY),
    ),
    faulty(
        "open-doors-at-balancers-only",
        "HTTPS to the cluster's own group",
        "no load balancer",
        made(GROUP, "group"),
        alone(rule(EVERYBODY)),
        BALANCER,
    ),
    faulty(
        "open-doors-at-balancers-only",
        "a database in the load balancer's group",
        "it (aws:rds/instance:Instance) stands behind",
        made(GROUP, "group"),
        rule(EVERYBODY),
        BALANCER,
        made(DATABASE, leads_to={"vpcSecurityGroupIds": "group"}),
    ),
    fine("no-public-addresses", "a private subnet", made("aws:ec2/subnet:Subnet", mapPublicIpOnLaunch=False)),
    faulty(
        "no-public-addresses",
        "a subnet that gives addresses",
        "mapPublic",
        made("aws:ec2/subnet:Subnet", mapPublicIpOnLaunch=True),
    ),
    faulty(
        "no-public-addresses",
        "a template that asks for one",
        "associatePublicIpAddress",
        made("aws:ec2/launchTemplate:LaunchTemplate", networkInterfaces=[{"associatePublicIpAddress": "true"}]),
    ),
]
