"""What the stack will cost."""

from collections import Counter

from pack.resource import UNKNOWN, Stack
from pack.rule import StackFaults, stack_rule

HOURS_A_MONTH = 730
BUDGET = "aws:budgets/budget:Budget"
MACHINES = "aws:ec2/instance:Instance"
NODES = "aws:eks/nodeGroup:NodeGroup"
NAMED = {
    "aws:eks/cluster:Cluster": "eks-cluster",
    "aws:ec2/natGateway:NatGateway": "nat-gateway",
    "aws:lb/loadBalancer:LoadBalancer": "load-balancer",
}
"""What is paid by the hour whatever its size, and the word for it among the prices."""


@stack_rule()
def spending_watched(stack: Stack) -> StackFaults:
    """A stack with machines of AWS has a budget that somebody hears of.

    Add a ``budgets.Budget`` with notifications.
    """
    budgets = list(stack.of(BUDGET))
    if not budgets and (first := next(stack.of(NODES, MACHINES, *NAMED), None)):
        yield "the stack has machines and no Budget", first
    for budget in budgets:
        if not budget.get("notifications"):
            yield "notifications are empty: nobody hears of it", budget


@stack_rule(
    {
        "prices": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "description": "US dollars an hour by instance type (m7i.large, db.t4g.small, cache.t4g.small), and of "
            f"{', '.join(NAMED.values())}. Without any the rule is silent.",
        },
        "ceiling": {
            "type": "number",
            "description": "US dollars a month; without it, the limit of the stack's own budget.",
        },
    }
)
def cost_under_ceiling(stack: Stack) -> StackFaults:
    """The machines of the stack cost less a month than it may.

    Take smaller or fewer ones, or raise the ceiling. Counted are nodes as many as at first, databases, caches, NAT
    gateways and load balancers, at the prices that the settings give; not traffic, disks and requests. The price of
    a spot machine is its price on demand, which it can rise to.
    """
    prices, ceiling = stack.config.get("prices"), stack.config.get("ceiling")
    limits = [one.get("limitAmount") for one in stack.of(BUDGET) if one.get("limitUnit") in (None, "USD")]
    if ceiling is None and limits and limits[0] not in (None, UNKNOWN):
        ceiling = float(limits[0])
    if not prices or ceiling is None:
        return

    running = _running(stack)
    unknown = sorted(kind for kind in running if kind not in prices)
    if unknown:
        yield f"there is no price for {', '.join(unknown)}; add it to this rule's prices", None
    cost = HOURS_A_MONTH * sum(prices.get(kind, 0) * count for kind, count in running.items())
    if cost > ceiling:
        parts = ", ".join(f"{count} × {kind}" for kind, count in sorted(running.items()))
        yield f"{parts} cost {cost:.0f} USD a month, above {ceiling:.0f} USD", None


def _running(stack: Stack) -> Counter[str]:
    """How many of what run all the time."""
    running: Counter[str] = Counter()
    for machine in stack.of(MACHINES):
        running[machine.get("instanceType")] += 1
    for group in stack.of(NODES):
        # Of several types AWS takes which it has; the first is what the others stand in for.
        kind = next(iter(group.each("instanceTypes")), UNKNOWN)
        running[kind] += _count(group.get("scalingConfig", "desiredSize"))
    for database in stack.of("aws:rds/instance:Instance"):
        running[database.get("instanceClass")] += 2 if database.get("multiAz") is True else 1
    for cache in stack.of("aws:elasticache/replicationGroup:ReplicationGroup"):
        running[cache.get("nodeType")] += _count(cache.get("numCacheClusters"))
    for resource in stack.of(*NAMED):
        running[NAMED[resource.type]] += 1
    return Counter({kind: count for kind, count in running.items() if isinstance(kind, str) and count})


def _count(given: object) -> int:
    return int(given) if isinstance(given, int | float) else 1
