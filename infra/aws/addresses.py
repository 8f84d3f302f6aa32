"""Which addresses each subnet of a network gets: pure arithmetic, checked before anything is made."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

# The control plane and the load balancer want two zones; no region has more than six (us-east-1).
FEWEST_ZONES, MOST_ZONES = 2, 6
# AWS takes no larger VPC than /16; from /21 on the public subnets still hold the /27 that a load balancer needs.
LARGEST, SMALLEST = 16, 21
PRIVATE = tuple(IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
SERVICES = IPv4Network("172.20.0.0/16")
"""Addresses of Kubernetes Services, given to the cluster; outside every network."""
BRIDGE = IPv4Network("172.17.0.0/16")
"""Docker's bridge, which some EKS hosts keep for themselves (EKS user guide, "VPC requirements")."""


@dataclass(frozen=True)
class Plan:
    """The subnets of a network, one for each zone that there can be: one that is added later moves no other.

    Attributes:
        vpc: the whole network.
        public: load balancers and NAT; a 64th each.
        private: nodes and pods, an eighth each: with prefix delegation a node takes 16 addresses at a time.
        intra: no way out; the control plane's interfaces, databases and caches; a 64th each.
    """

    vpc: IPv4Network
    public: tuple[IPv4Network, ...]
    private: tuple[IPv4Network, ...]
    intra: tuple[IPv4Network, ...]


def plan(cidr: str, avoid: Iterable[str] = ()) -> Plan:
    """Divide a network over as many zones as there can be.

    Args:
        cidr: the VPC's range, for example ``10.20.0.0/16``.
        avoid: ranges it must not touch: peered networks, offices.

    Raises:
        ValueError: the range is malformed, public, too large, too small, or overlaps one to avoid.
    """
    vpc = IPv4Network(cidr)
    if not LARGEST <= vpc.prefixlen <= SMALLEST:
        raise ValueError(f"{cidr} has a /{vpc.prefixlen} prefix; give one from /{LARGEST} to /{SMALLEST}")
    if not any(vpc.subnet_of(block) for block in PRIVATE):
        raise ValueError(f"{cidr} is not private; take a part of {', '.join(map(str, PRIVATE))}")
    for taken in (SERVICES, BRIDGE, *map(IPv4Network, avoid)):
        if vpc.overlaps(taken):
            raise ValueError(f"{cidr} overlaps {taken}; take a range beside it")
    *private, low, high = vpc.subnets(prefixlen_diff=3)
    public, intra = (tuple(part.subnets(prefixlen_diff=3))[:MOST_ZONES] for part in (low, high))
    return Plan(vpc, public, tuple(private), intra)
