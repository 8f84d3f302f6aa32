"""The network: a VPC over several zones, its ways out, private ways to AWS, and a record of its flows."""

from __future__ import annotations  # a service's module is imported when it is used

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
from pulumi_aws import cloudwatch, ec2, iam, vpc

from infra.aws.addresses import FEWEST_ZONES, MOST_ZONES, plan
from infra.aws.policy import Statement, assumed_by, document

# What nodes cannot do without when a NAT gateway is gone: pull images, get credentials, log, be reached for repair.
ENDPOINTS = ("ecr.api", "ecr.dkr", "sts", "logs", "ssm")


@dataclass(frozen=True)
class NetworkArgs:
    """What a network needs from its surroundings.

    Attributes:
        region: AWS region, for example ``eu-central-1``.
        zones: availability zones of it, two to six. Named, so that a zone that AWS adds moves nothing; appended to, so
            that one of ours does not either.
        cidr: private range from /16 to /21; an eighth of it for the pods of each zone.
        avoid: ranges that ``cidr`` must not overlap: peered networks, offices.
        redundant: a NAT gateway and interface endpoints in every zone; else in the first alone, at its price alone.
        log_key_arn: encrypts the flow logs.
        log_retention_days: how long flow logs are kept.
    """

    region: str
    zones: tuple[str, ...]
    cidr: str
    redundant: bool
    log_key_arn: pulumi.Input[str]
    log_retention_days: int = 30
    avoid: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not FEWEST_ZONES <= len(set(self.zones)) == len(self.zones) <= MOST_ZONES:
            allowed = f"{FEWEST_ZONES} to {MOST_ZONES}"
            raise ValueError(f"zones are {list(self.zones)}; give {allowed} different ones of {self.region}")
        plan(self.cidr, self.avoid)


class Network(pulumi.ComponentResource):
    """A VPC with public, private and intra subnets in each zone.

    The subnet outputs depend on the routes behind them: whoever uses a subnet is made after it can reach the outside,
    and destroyed before it no longer can.
    """

    vpc_id: pulumi.Output[str]
    """The VPC."""
    public_subnet_ids: pulumi.Output[list[str]]
    """For internet-facing load balancers, one a zone."""
    private_subnet_ids: pulumi.Output[list[str]]
    """For nodes and pods, one a zone; out through NAT."""
    intra_subnet_ids: pulumi.Output[list[str]]
    """For control-plane interfaces, databases and caches, one a zone; no way out."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Network", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        addresses = plan(args.cidr, args.avoid)

        self._vpc = ec2.Vpc(
            name,
            cidr_block=args.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": name},
            opts=self._child,
        )
        # AWS attaches this group to whatever names none: with no rules that is a mistake without consequences.
        ec2.DefaultSecurityGroup(name, vpc_id=self._vpc.id, ingress=[], egress=[], opts=self._child)
        self._flow_logs()

        public = self._subnets("public", addresses.public, {"kubernetes.io/role/elb": "1"})
        private = self._subnets("private", addresses.private, {"kubernetes.io/role/internal-elb": "1"})
        intra = self._subnets("intra", addresses.intra, {})

        ways_out, private_tables = self._routes(public, private)
        intra_table = ec2.RouteTable(f"{name}-intra", vpc_id=self._vpc.id, tags=self._tag("intra"), opts=self._child)
        inward = [self._associate(f"intra-{i}", subnet, intra_table) for i, subnet in enumerate(intra)]
        endpoints = self._endpoints(private, [*private_tables, intra_table])

        self.vpc_id = self._vpc.id
        self.public_subnet_ids = _ids(public, ways_out)
        self.private_subnet_ids = _ids(private, [*ways_out, *endpoints])
        self.intra_subnet_ids = _ids(intra, inward)
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
                "intra_subnet_ids": self.intra_subnet_ids,
            }
        )

    def _tag(self, part: str) -> dict[str, str]:
        return {"Name": f"{self._name}-{part}"}

    def _subnets(self, tier: str, blocks: tuple[IPv4Network, ...], tags: dict[str, str]) -> list[ec2.Subnet]:
        return [
            ec2.Subnet(
                f"{self._name}-{tier}-{i}",
                vpc_id=self._vpc.id,
                availability_zone=zone,
                cidr_block=str(block),
                map_public_ip_on_launch=False,
                tags={"Name": f"{self._name}-{tier}-{zone}", **tags},
                opts=self._child,
            )
            for i, (zone, block) in enumerate(zip(self._args.zones, blocks, strict=False))
        ]

    def _associate(self, part: str, subnet: ec2.Subnet, table: ec2.RouteTable) -> ec2.RouteTableAssociation:
        return ec2.RouteTableAssociation(
            f"{self._name}-{part}", subnet_id=subnet.id, route_table_id=table.id, opts=self._child
        )

    def _routes(
        self, public: list[ec2.Subnet], private: list[ec2.Subnet]
    ) -> tuple[list[pulumi.CustomResource], list[ec2.RouteTable]]:
        name = self._name
        gateway = ec2.InternetGateway(name, vpc_id=self._vpc.id, tags={"Name": name}, opts=self._child)
        table = ec2.RouteTable(f"{name}-public", vpc_id=self._vpc.id, tags=self._tag("public"), opts=self._child)
        out = ec2.Route(
            f"{name}-public",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=self._child,
        )
        made: list[pulumi.CustomResource] = [out]
        made += [self._associate(f"public-{i}", subnet, table) for i, subnet in enumerate(public)]

        # A NAT gateway has no address to the internet until its subnet routes there.
        routed = pulumi.ResourceOptions(parent=self, depends_on=made)
        nats: list[ec2.NatGateway] = []
        for i in range(len(public) if self._args.redundant else 1):
            address = ec2.Eip(f"{name}-nat-{i}", domain="vpc", tags=self._tag(f"nat-{i}"), opts=self._child)
            nats.append(
                ec2.NatGateway(
                    f"{name}-{i}",
                    allocation_id=address.id,
                    subnet_id=public[i].id,
                    tags=self._tag(f"nat-{i}"),
                    opts=routed,
                )
            )
        tables: list[ec2.RouteTable] = []
        for i, subnet in enumerate(private):
            table = ec2.RouteTable(
                f"{name}-private-{i}", vpc_id=self._vpc.id, tags=self._tag(f"private-{i}"), opts=self._child
            )
            route = ec2.Route(
                f"{name}-private-{i}",
                route_table_id=table.id,
                destination_cidr_block="0.0.0.0/0",
                nat_gateway_id=nats[i % len(nats)].id,
                opts=self._child,
            )
            tables.append(table)
            made += [route, self._associate(f"private-{i}", subnet, table)]
        return made, tables

    def _endpoints(self, private: list[ec2.Subnet], tables: list[ec2.RouteTable]) -> list[pulumi.CustomResource]:
        service = f"com.amazonaws.{self._args.region}"
        group = ec2.SecurityGroup(
            f"{self._name}-endpoints",
            vpc_id=self._vpc.id,
            description="AWS APIs over private addresses",
            tags=self._tag("endpoints"),
            opts=self._child,
        )
        rule = vpc.SecurityGroupIngressRule(
            f"{self._name}-endpoints",
            security_group_id=group.id,
            description="HTTPS from this network",
            cidr_ipv4=self._args.cidr,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=self._child,
        )
        objects = ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self._vpc.id,
            service_name=f"{service}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            tags=self._tag("s3"),
            opts=self._child,
        )
        interfaces = [
            ec2.VpcEndpoint(
                f"{self._name}-{endpoint.replace('.', '-')}",
                vpc_id=self._vpc.id,
                service_name=f"{service}.{endpoint}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[subnet.id for subnet in private[: len(private) if self._args.redundant else 1]],
                security_group_ids=[group.id],
                tags=self._tag(endpoint),
                opts=self._child,
            )
            for endpoint in ENDPOINTS
        ]
        return [rule, objects, *interfaces]

    def _flow_logs(self) -> None:
        name = f"{self._name}-flow"
        log = cloudwatch.LogGroup(
            name,
            retention_in_days=self._args.log_retention_days,
            kms_key_id=self._args.log_key_arn,
            opts=self._child,
        )
        role = iam.Role(name, assume_role_policy=assumed_by("vpc-flow-logs.amazonaws.com"), opts=self._child)
        write = Statement(
            ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            [pulumi.Output.concat(log.arn, ":*")],
        )
        grant = iam.RolePolicy(name, role=role.id, policy=document(write), opts=self._child)
        ec2.FlowLog(
            name,
            vpc_id=self._vpc.id,
            traffic_type="ALL",
            log_destination=log.arn,
            iam_role_arn=role.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[grant]),
        )


def _ids(subnets: list[ec2.Subnet], after: Sequence[pulumi.CustomResource]) -> pulumi.Output[list[str]]:
    ids = [subnet.id for subnet in subnets]
    return pulumi.Output.all(*ids, *(one.id for one in after)).apply(lambda known: [str(i) for i in known[: len(ids)]])
