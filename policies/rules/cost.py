"""What the stack will cost."""

import re
from typing import Any

from pack.prices import Price, listed
from pack.resource import UNKNOWN, Resource, Stack
from pack.rule import StackFaults, stack_rule

HOURS_A_MONTH = 730
WEEK = 7 * 24 * 60
"""In minutes."""
BUDGET = "aws:budgets/budget:Budget"
MACHINES = "aws:ec2/instance:Instance"
NODES = "aws:eks/nodeGroup:NodeGroup"
SCHEDULE = "aws:autoscaling/schedule:Schedule"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
NAMED = {
    "aws:eks/cluster:Cluster": "eks-cluster",
    "aws:ec2/natGateway:NatGateway": "nat-gateway",
    "aws:lb/loadBalancer:LoadBalancer": "load-balancer",
    ENDPOINT: "vpc-endpoint",
}
"""What is paid by the hour whatever its size, and the word for it among the prices; an endpoint in each subnet."""


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
            "description": "US dollars an hour by kind, before those of prices.json: of instance types (m7i.large, "
            f"db.t4g.small, cache.t4g.small), and of {', '.join(NAMED.values())}.",
        },
        "ceiling": {
            "type": "number",
            "description": "US dollars a month; without it, the limit of the stack's own budget.",
        },
    }
)
def cost_under_ceiling(stack: Stack) -> StackFaults:
    """The machines of the stack cost less a month than it may.

    Take smaller or fewer ones, or raise the ceiling. Counted are nodes as many as at first in the hours that their
    schedules leave them, databases, caches, clusters, load balancers, NAT gateways and interface endpoints, at the
    prices on demand of their region; not traffic, disks and requests. A spot machine counts as one on demand, whose
    price its own can rise to. What has no price is a fault, too: look it up, and give it to the rule.
    """
    given, ceiling = stack.config.get("prices") or {}, stack.config.get("ceiling")
    limits = [one.get("limitAmount") for one in stack.of(BUDGET) if one.get("limitUnit") in (None, "USD")]
    if ceiling is None and limits and limits[0] not in (None, UNKNOWN):
        ceiling = float(limits[0])
    if ceiling is None:
        return

    running = _running(stack)
    own = {at: Price(given[at[1]]) for at in running if at[1] in given}
    prices = {at: price for at, price in {**listed(), **own}.items() if at in running}
    if unknown := sorted(running.keys() - prices.keys()):
        kinds = ", ".join(f'"{kind}": …' for kind in dict.fromkeys(kind for _, kind in unknown))
        yield (
            f"there is no price for {', '.join(f'{kind} in {region}' for region, kind in unknown)}; look up what AWS "
            f"asks for an hour on demand, and give it in dollars in policies/stacks/{stack.resources[0].stack}.json: "
            f'"cost-under-ceiling": {{"prices": {{{kinds}}}}}',
            None,
        )
    costs = {at: HOURS_A_MONTH * price.usd * running[at] for at, price in prices.items()}
    cost = sum(costs.values())
    if cost > ceiling:
        dates = sorted({price.date for price in prices.values()} - {""})
        read = f" at prices of {' to '.join(dict.fromkeys((dates[0], dates[-1])))}" if dates else ""
        parts = (f"{running[at]:.3g} × {at[1]} {costs[at]:.0f}" for at in sorted(costs, key=costs.__getitem__)[::-1])
        yield f"{cost:.0f} USD a month{read}, above {ceiling:.0f} USD: {', '.join(parts)}", None


def _running(stack: Stack) -> dict[tuple[str, str], float]:
    """How many of what run, on an average of the week, by region and kind."""
    found: list[tuple[Resource, Any, float]] = []
    found += [(machine, machine.get("instanceType"), 1) for machine in stack.of(MACHINES)]
    for group in stack.of(NODES):
        # Of several types AWS takes which it has; the first is what the others stand in for.
        kind = next(iter(group.each("instanceTypes")), UNKNOWN)
        found.append((group, kind, _nodes(group, stack.leading_to(group, SCHEDULE, "autoscalingGroupName"))))
    for database in stack.of("aws:rds/instance:Instance"):
        found.append((database, database.get("instanceClass"), 2 if database.get("multiAz") is True else 1))
    for cache in stack.of("aws:elasticache/replicationGroup:ReplicationGroup"):
        found.append((cache, cache.get("nodeType"), _count(cache.get("numCacheClusters"))))
    for endpoint in stack.of(ENDPOINT):
        if endpoint.get("vpcEndpointType") == "Interface":
            found.append((endpoint, NAMED[ENDPOINT], len(endpoint.each("subnetIds"))))
    found += [(one, NAMED[one.type], 1) for one in stack.of(*NAMED) if one.type != ENDPOINT]

    running: dict[tuple[str, str], float] = {}
    for resource, kind, count in found:
        region = resource.get("region")
        if not isinstance(region, str):
            # Of a resource that leaves it to the provider it is not known before it is made.
            region = resource.provider.get("region", "a region that is not said")
        if count and isinstance(kind, str) and isinstance(region, str):
            running[region, kind] = running.get((region, kind), 0) + count
    return running


def _nodes(group: Resource, schedules: list[Resource]) -> float:
    """How many nodes a group has on an average of the week; as many as at first where a schedule is not understood."""
    first = _count(group.get("scalingConfig", "desiredSize"))
    times = [(one.get("recurrence"), one.get("desiredCapacity")) for one in schedules]
    if any(UNKNOWN in time for time in times):
        return 0
    changes = sorted((minute, _count(nodes, first)) for when, nodes in times for minute in _minutes(when))
    if not changes or not all(_minutes(when) for when, _ in times):
        return first
    ends = [*(minute for minute, _ in changes[1:]), changes[0][0] + WEEK]
    return sum(nodes * (end - start) for (start, nodes), end in zip(changes, ends, strict=True)) / WEEK


def _minutes(recurrence: object) -> list[int]:
    """Minutes of the week at which a line of cron is due; none where it knows more than days of the week."""
    line = re.fullmatch(r"(\d+) (\d+) \* \* ([0-6](?:-[0-6])?(?:,[0-6](?:-[0-6])?)*|\*)", str(recurrence))
    if not line:
        return []
    minute, hour, days = line.groups()
    spans = [span.partition("-") for span in days.replace("*", "0-6").split(",")]
    due = {day for start, _, end in spans for day in range(int(start), int(end or start) + 1)}
    return [(day * 24 + int(hour)) * 60 + int(minute) for day in due]


def _count(given: object, otherwise: int = 1) -> int:
    return int(given) if isinstance(given, int | float) else otherwise
