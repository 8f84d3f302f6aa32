"""The network, without a cloud: what it makes, and what it must not."""

import asyncio
from functools import cache

import pulumi
import pytest
from pulumi_aws import ec2

from infra.aws.network import Network, NetworkArgs
from tests.infra.aws.cloud import Cloud

ZONES = ("eu-central-1a", "eu-central-1b", "eu-central-1c")
SUBNET = "aws:ec2/subnet:Subnet"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"


def args(redundant: bool = True, zones: tuple[str, ...] = ZONES, cidr: str = "10.20.0.0/16") -> NetworkArgs:
    return NetworkArgs("eu-central-1", zones, cidr, redundant, "arn:key")


@cache
def made(redundant: bool = True) -> Cloud:
    cloud = Cloud()
    cloud.run(lambda: Network("net", args(redundant)).private_subnet_ids)
    return cloud


def test_each_tier_spans_all_zones() -> None:
    subnets = made().all(SUBNET)
    for tier in ("public", "private", "intra"):
        assert {s["availabilityZone"] for s in subnets if tier in s["tags"]["Name"]} == set(ZONES)


def test_load_balancers_find_their_subnets_by_tag() -> None:
    subnets = made().all(SUBNET)
    for role, tier in (("elb", "public"), ("internal-elb", "private")):
        found = {s["tags"]["Name"] for s in subnets if f"kubernetes.io/role/{role}" in s["tags"]}
        assert found == {f"net-{tier}-{zone}" for zone in ZONES}


def test_no_subnet_hands_out_public_addresses() -> None:
    assert not any(s["mapPublicIpOnLaunch"] for s in made().all(SUBNET))


@pytest.mark.parametrize(("redundant", "gateways"), [(True, 3), (False, 1)])
def test_nat_gateways_follow_the_zones_or_there_is_one(redundant: bool, gateways: int) -> None:
    assert len(made(redundant).all("aws:ec2/natGateway:NatGateway")) == gateways


def test_with_one_nat_gateway_every_private_subnet_still_has_a_way_out() -> None:
    routes = [r for r in made(redundant=False).all("aws:ec2/route:Route") if "natGatewayId" in r]
    assert [r["natGatewayId"] for r in routes] == ["net-0-id"] * 3


def test_intra_subnets_have_no_route_at_all() -> None:
    assert not [r for r in made().all("aws:ec2/route:Route") if "intra" in r["routeTableId"]]


def test_objects_images_credentials_and_logs_stay_off_the_internet() -> None:
    services = {e["serviceName"].removeprefix("com.amazonaws.eu-central-1.") for e in made().all(ENDPOINT)}
    assert services == {"s3", "ecr.api", "ecr.dkr", "sts", "logs", "ssm"}


def test_the_small_network_pays_for_endpoints_in_one_zone() -> None:
    endpoints = made(redundant=False).all(ENDPOINT)
    assert {len(e["subnetIds"]) for e in endpoints if e["vpcEndpointType"] == "Interface"} == {1}


def test_the_default_security_group_lets_nothing_through() -> None:
    group = made().only("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    assert group["ingress"] == []
    assert group["egress"] == []


def test_endpoints_listen_to_this_network_alone() -> None:
    rule = made().only("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert (rule["cidrIpv4"], rule["fromPort"], rule["toPort"]) == ("10.20.0.0/16", 443, 443)


def test_flows_are_recorded_under_our_key() -> None:
    cloud = made()
    assert cloud.only("aws:cloudwatch/logGroup:LogGroup")["kmsKeyId"] == "arn:key"
    assert cloud.only("aws:ec2/flowLog:FlowLog")["trafficType"] == "ALL"


def test_a_private_subnet_comes_with_its_ways_out() -> None:
    """So that on destroy whatever runs there goes first, while it can still reach the outside."""
    behind: set[pulumi.Resource] = set()

    def program() -> pulumi.Output[list[str]]:
        ids = Network("net", args()).private_subnet_ids
        asyncio.ensure_future(ids.resources()).add_done_callback(lambda done: behind.update(done.result()))
        return ids

    Cloud().run(program)
    assert len([r for r in behind if isinstance(r, ec2.Route)]) == 4
    assert len([r for r in behind if isinstance(r, ec2.VpcEndpoint)]) == 6


@pytest.mark.parametrize("zones", [ZONES[:1], (ZONES[0], ZONES[0]), tuple(f"eu-central-1{z}" for z in "abcdefg")])
def test_zones_that_cannot_work_are_refused_before_anything_is_made(zones: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="give 2 to 6 different ones of eu-central-1"):
        args(zones=zones)


def test_a_zone_that_is_added_moves_no_other() -> None:
    before, after = Cloud(), Cloud()
    before.run(lambda: Network("net", args(zones=ZONES[:2])).private_subnet_ids)
    after.run(lambda: Network("net", args()).private_subnet_ids)
    assert len(before.all(SUBNET)) == 6
    assert len(after.all(SUBNET)) == 9
    assert all(subnet in after.all(SUBNET) for subnet in before.all(SUBNET))


def test_a_range_too_small_is_refused_before_anything_is_made() -> None:
    with pytest.raises(ValueError, match="give one from /16 to /21"):
        args(cidr="10.20.0.0/24")
