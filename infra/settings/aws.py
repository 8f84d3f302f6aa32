"""What a stack in AWS can be told. Where a key is left out, it means what a production stack wants."""

import re
from ipaddress import IPv4Network
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from infra.aws.addresses import FEWEST_ZONES, MOST_ZONES, plan
from infra.serving.traffic import Frozen
from infra.settings.cluster import Domain, like
from infra.settings.machines import CacheType, DatabaseClass
from infra.settings.nodes import NodeGroups

REDUNDANT_ZONES = 3
"""With two, the loss of one takes half of everything, and a quorum of three has nowhere to stand."""
WIDEST = 8
"""Prefix of the widest range that may reach the cluster's API: a whole private network."""
TAGS_OF_OURS = ("project", "stack", "managed-by")


def _account(value: object) -> object:
    # YAML reads 012345678901 without quotes as a number, in which the zero is lost.
    if not isinstance(value, str) or not re.fullmatch(r"\d{12}", value):
        raise ValueError(f'{value} is no AWS account; give its 12 digits in quotes, for example "123456789012"')
    return value


def _region(value: str) -> str:
    if not re.fullmatch(r"[a-z]{2}-[a-z]+-\d", value) or value.startswith("cn-"):
        raise ValueError(f"{value} is no region of the commercial AWS; give one like eu-central-1")
    return value


def _range(value: str) -> str:
    return str(IPv4Network(value))


def _narrow(value: str) -> str:
    if IPv4Network(value).prefixlen < WIDEST:
        raise ValueError(f"{value} opens the cluster's API to everybody; name the ranges that need it")
    return value


Cidr = Annotated[str, AfterValidator(_range)]
"""A range of IPv4 addresses, for example ``10.20.0.0/16``."""
NarrowCidr = Annotated[Cidr, AfterValidator(_narrow)]
"""A range that is not everybody."""
RoleArn = Annotated[
    str, like(r"arn:aws:iam::\d{12}:role/[\w+=,.@/-]+", "a role's ARN like arn:aws:iam::123456789012:role/deploy")
]
"""A role in IAM."""
Email = Annotated[str, like(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an address like ml-platform@example.com")]
"""An address as people write it; only its owner's answer proves that it exists."""
ZoneId = Annotated[str, like(r"Z[A-Z0-9]{5,31}", "the id of a zone in Route 53 like Z0123456789EXAMPLE")]
"""A zone in Route 53."""


class Api(Frozen):
    """Who reaches the cluster's API, beside the cluster itself.

    Attributes:
        private_cidrs: networks of ours that are routed to the VPC: VPN, peers, runners.
        public_cidrs: ranges of the internet; none keeps the API private.
    """

    private_cidrs: tuple[NarrowCidr, ...] = ()
    public_cidrs: tuple[NarrowCidr, ...] = ()

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if not (self.private_cidrs or self.public_cidrs):
            raise ValueError("private_cidrs and public_cidrs are empty; pulumi up itself could not reach the API")
        return self


class Database(Frozen):
    """Postgres in RDS; a stack that is redundant has a standby in another zone.

    Attributes:
        instance_class: of the machine, for example ``db.m7g.large``.
        storage_gib: disk at first, in GiB.
        max_storage_gib: disk at most; it grows by itself.
        retention_days: how far back any second can be restored.
    """

    instance_class: DatabaseClass
    # RDS's limits for gp3 under Postgres, and for automated backups.
    storage_gib: int = Field(default=100, ge=20, le=65536)
    max_storage_gib: int = Field(default=500, ge=22, le=65536)
    retention_days: int = Field(default=14, ge=1, le=35)

    @model_validator(mode="after")
    def _grows(self) -> Self:
        # RDS takes no maximum closer to the disk than a tenth of it.
        if self.max_storage_gib * 10 < self.storage_gib * 11:
            raise ValueError(
                f"max_storage_gib is {self.max_storage_gib}; give at least a tenth more than storage_gib, "
                f"{self.storage_gib}"
            )
        return self


class Cache(Frozen):
    """Redis in ElastiCache.

    Attributes:
        node_type: of its machines, for example ``cache.r7g.large``.
        replicas: beside the primary; with one or more it fails over by itself.
    """

    node_type: CacheType
    replicas: int = Field(default=1, ge=0, le=5)


class Aws(Frozen):
    """The account of a stack, and what is made there.

    A second region is a second stack file with the same ``domain`` and ``zone_id``: callers go to the nearest one that
    is well.

    Attributes:
        account_id: the account; another one is refused before anything is made in it.
        region: where everything is made.
        zones: availability zones. Append new ones: the addresses of a zone follow from its place in the list.
        cidr: the network's range.
        avoid: ranges that it must not overlap: peers, offices, other stacks.
        redundant: survive the loss of a zone: NAT in each, a standby of the database, two of everything stateless.
        protected: refuse to delete what holds data, and leave it where that is forced.
        admins: roles that may do everything on the cluster; the one that deploys must be among them.
        api: who reaches the cluster's API.
        domain: what clients call; the certificate is made for it.
        zone_id: Route 53 zone that it lies in.
        requests_per_minute: what one address may send before the firewall answers 429.
        tags: on everything, beside ``project``, ``stack`` and ``managed-by``.
        nodes: the machines.
        database: Postgres.
        cache: Redis.
        recovery_days: how long a deleted secret or key can be brought back; 0 deletes secrets at once, and keys as soon
            as AWS allows, after 7 days.
        monthly_usd: what a month may cost, in US dollars.
        emails: who hears of costs and of CloudWatch's alarms.
    """

    account_id: Annotated[str, BeforeValidator(_account)]
    region: Annotated[str, AfterValidator(_region)]
    zones: tuple[str, ...]
    cidr: Cidr
    avoid: tuple[Cidr, ...] = ()
    redundant: bool = True
    protected: bool = True
    admins: tuple[RoleArn, ...] = Field(min_length=1)
    api: Api
    domain: Domain
    zone_id: ZoneId
    # AWS WAF's limits of a rate-based rule.
    requests_per_minute: int = Field(default=600, ge=10, le=2_000_000_000)
    tags: dict[str, str] = Field(default_factory=dict[str, str], max_length=40)
    nodes: NodeGroups
    database: Database
    cache: Cache
    recovery_days: int = 30
    monthly_usd: int = Field(gt=0)
    emails: tuple[Email, ...] = Field(min_length=1)

    @field_validator("zones")
    @classmethod
    def _zones_of_region(cls, zones: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        region = info.data.get("region", "")
        wrong = [zone for zone in zones if not re.fullmatch(rf"{region}[a-z]", zone)]
        if region and wrong:
            raise ValueError(f"{wrong[0]} is no zone of {region}; give names like {region}a")
        if not FEWEST_ZONES <= len(set(zones)) == len(zones) <= MOST_ZONES:
            raise ValueError(f"{', '.join(zones) or 'none'}; give {FEWEST_ZONES} to {MOST_ZONES} different zones")
        return zones

    @field_validator("recovery_days")
    @classmethod
    def _recoverable(cls, days: int) -> int:
        # Limits of secretsmanager:DeleteSecret and kms:ScheduleKeyDeletion.
        if days and not 7 <= days <= 30:
            raise ValueError(f"{days} days are not possible; give 7 to 30, or 0 for none")
        return days

    @field_validator("tags")
    @classmethod
    def _taggable(cls, tags: dict[str, str]) -> dict[str, str]:
        wrong = [key for key in tags if key in TAGS_OF_OURS or key.lower().startswith("aws:")]
        if wrong:
            raise ValueError(f"{wrong[0]} is not yours to set; {', '.join(TAGS_OF_OURS)} are set by the program")
        return tags

    @model_validator(mode="after")
    def _apart(self) -> Self:
        try:
            plan(self.cidr, (*self.avoid, *self.api.private_cidrs))
        except ValueError as error:
            raise ValueError(f"cidr {error}") from None
        return self

    @model_validator(mode="after")
    def _survives(self) -> Self:
        if not self.redundant:
            return self
        if len(self.zones) < REDUNDANT_ZONES:
            raise ValueError(
                f"zones has {len(self.zones)}, but redundant is true; give {REDUNDANT_ZONES} zones, or redundant: false"
            )
        if not self.cache.replicas:
            raise ValueError("cache.replicas is 0, but redundant is true; give at least 1, or redundant: false")
        if self.nodes.general is None:
            raise ValueError("nodes.general is missing, but redundant is true; spot nodes can all go at once")
        return self
