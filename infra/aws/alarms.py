"""CloudWatch alarms for what only AWS sees: the stores' disks and memory, and the load balancer's view of the gateway.

What runs in the cluster is watched by Prometheus, which cannot tell that the cluster itself is out of reach.
"""

from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch

PERIOD_S = 300


@dataclass(frozen=True)
class AlarmsArgs:
    """What the alarms need from their surroundings.

    Attributes:
        topic_arn: where they are announced, and announced to be over.
        database: identifier of the RDS instance.
        cache: identifier of the replication group.
        cache_nodes: how many nodes that has.
        load_balancer: the load balancer as CloudWatch names it, ``app/<name>/<id>``.
        target_group: its target group likewise, ``targetgroup/<name>/<id>``.
    """

    topic_arn: pulumi.Input[str]
    database: pulumi.Input[str]
    cache: pulumi.Input[str]
    cache_nodes: int
    load_balancer: pulumi.Input[str]
    target_group: pulumi.Input[str]


@dataclass(frozen=True)
class Limit:
    """When an alarm goes off.

    Attributes:
        name: of the alarm.
        namespace: where the metric lives.
        metric: its name.
        statistic: how five minutes become one number.
        threshold: the limit, in the metric's unit.
        below: goes off below the limit instead of above.
        periods: five-minute periods in a row.
        silence: what a period without data counts as.
    """

    name: str
    namespace: str
    metric: str
    statistic: str
    threshold: float
    below: bool = False
    periods: int = 3
    silence: str = "notBreaching"


DATABASE = (
    Limit("database-disk", "AWS/RDS", "FreeStorageSpace", "Minimum", 5 * 1024**3, below=True),
    Limit("database-cpu", "AWS/RDS", "CPUUtilization", "Average", 80),
    Limit("database-memory", "AWS/RDS", "FreeableMemory", "Minimum", 128 * 1024**2, below=True),
)
CACHE = (
    Limit("cache-memory", "AWS/ElastiCache", "DatabaseMemoryUsagePercentage", "Maximum", 85),
    # Redis is one thread: the instance's CPU tells little about it.
    Limit("cache-cpu", "AWS/ElastiCache", "EngineCPUUtilization", "Average", 80),
)
# A target group without targets reports nothing, which is as bad as none that is healthy.
NO_GATEWAY = Limit(
    "no-gateway", "AWS/ApplicationELB", "HealthyHostCount", "Maximum", 1, below=True, periods=1, silence="breaching"
)
# What the load balancer had to answer in the gateway's place; it reports nothing while there is none.
EDGE_ERRORS = Limit("edge-errors", "AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "Sum", 50, periods=1)


class Alarms(pulumi.ComponentResource):
    """Alarms on the database, the cache and the edge."""

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Alarms", name, None, opts)
        edge = {"LoadBalancer": args.load_balancer, "TargetGroup": args.target_group}
        database = {"DBInstanceIdentifier": args.database}
        # The nodes of a group without shards are numbered from 001.
        nodes = [
            {"CacheClusterId": pulumi.Output.concat(args.cache, f"-{i:03}")} for i in range(1, args.cache_nodes + 1)
        ]
        watched = [
            *((limit, limit.name, database) for limit in DATABASE),
            *((limit, f"{limit.name}-{i}", node) for limit in CACHE for i, node in enumerate(nodes, start=1)),
            (NO_GATEWAY, NO_GATEWAY.name, edge),
            (EDGE_ERRORS, EDGE_ERRORS.name, {"LoadBalancer": args.load_balancer}),
        ]
        for limit, part, dimensions in watched:
            cloudwatch.MetricAlarm(
                f"{name}-{part}",
                namespace=limit.namespace,
                metric_name=limit.metric,
                dimensions=dimensions,
                statistic=limit.statistic,
                period=PERIOD_S,
                evaluation_periods=limit.periods,
                threshold=limit.threshold,
                comparison_operator="LessThanThreshold" if limit.below else "GreaterThanThreshold",
                treat_missing_data=limit.silence,
                alarm_actions=[args.topic_arn],
                ok_actions=[args.topic_arn],
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
