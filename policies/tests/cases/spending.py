"""Tags and costs."""

import json
from dataclasses import replace
from typing import Any

from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from tests.judge import Made, faulty, fine, made, under

TAGS = {"project": "modelserve", "stack": "prod", "managed-by": "pulumi"}
BUCKET = "aws:s3/bucket:Bucket"
DEFAULTS = {"defaultTags": json.dumps({"tags": TAGS})}
PRICES = {"m7i.large": 0.1, "db.r7g.large": 0.2, "cache.r7g.large": 0.3, "nat-gateway": 0.05, "vpc-endpoint": 0.01}
"""Made up, to be easy to add."""


def nodes(count: float, kind: str = "m7i.large") -> Made:
    return made("aws:eks/nodeGroup:NodeGroup", "nodes", instanceTypes=[kind], scalingConfig={"desiredSize": count})


def budget(limit: str = "1000", notifications: Any = ({"threshold": 80},)) -> Made:
    kind = "aws:budgets/budget:Budget"
    return made(kind, "budget", limitAmount=limit, limitUnit="USD", notifications=list(notifications))


DATABASE = made("aws:rds/instance:Instance", "database", instanceClass="db.r7g.large", multiAz=True)
CACHE = made(
    "aws:elasticache/replicationGroup:ReplicationGroup", "cache", nodeType="cache.r7g.large", numCacheClusters=2.0
)
GATEWAY = made("aws:ec2/natGateway:NatGateway", "nat", subnetId="subnet-1")
ENDPOINT = made(
    "aws:ec2/vpcEndpoint:VpcEndpoint", "sts", vpcEndpointType="Interface", subnetIds=["subnet-1", "subnet-2"]
)
FREE = made("aws:ec2/vpcEndpoint:VpcEndpoint", "s3", vpcEndpointType="Gateway")
ABROAD = made("aws:lb/loadBalancer:LoadBalancer", "balancer", region="us-east-1")
HERE, LATER = {"region": "eu-central-1"}, {"region": UNKNOWN_STRING_VALUE}


def schedule(name: str, recurrence: str, size: float) -> Made:
    kind, leads_to = "aws:autoscaling/schedule:Schedule", {"autoscalingGroupName": "nodes"}
    given = {"autoscalingGroupName": "eks-nodes", "recurrence": recurrence, "desiredCapacity": size}
    return made(kind, name, leads_to=leads_to, **given)


EVENING, MORNING = schedule("evening", "0 20 * * 1-5", 0.0), schedule("morning", "0 7 * * 1-5", 2.0)

CASES = [
    fine("origin-tagged", "all three", made(BUCKET, tags=TAGS)),
    fine("origin-tagged", "those of the provider", under(DEFAULTS, made(BUCKET, bucket="models"))),
    fine("origin-tagged", "those that AWS will see", made(BUCKET, tagsAll=TAGS)),
    faulty("origin-tagged", "none", "tags.project is missing", made(BUCKET, bucket="models")),
    faulty("origin-tagged", "one", "tags.stack is missing", made(BUCKET, tags={"project": "modelserve"})),
    fine("spending-watched", "machines and a budget", nodes(1.0), budget()),
    fine("spending-watched", "a stack without machines", made(BUCKET, bucket="models")),
    faulty("spending-watched", "machines alone", "no Budget", nodes(1.0)),
    faulty("spending-watched", "a budget that nobody hears of", "nobody hears", nodes(1.0), budget(notifications=())),
    # 730 hours of two machines at 0.10 are 146.
    fine("cost-under-ceiling", "two machines", nodes(2.0), ceiling=150.0, prices=PRICES),
    fine("cost-under-ceiling", "no ceiling", nodes(2.0), prices=PRICES),
    fine("cost-under-ceiling", "two machines under their budget", nodes(2.0), budget("150"), prices=PRICES),
    # 730 × 2 × 0.1208 at the price of the file.
    fine("cost-under-ceiling", "two machines in Frankfurt", under(HERE, nodes(2.0)), ceiling=177.0),
    fine("cost-under-ceiling", "an endpoint that costs nothing", under(HERE, FREE), ceiling=0.0),
    # 13 of 24 hours on 5 of 7 days: 38.7 % of the 146 that they cost all week.
    fine("cost-under-ceiling", "two in working hours", nodes(2.0), EVENING, MORNING, ceiling=57.0, prices=PRICES),
    fine("cost-under-ceiling", "a region yet to be known", under(LATER, GATEWAY), ceiling=1.0),
    faulty(
        "cost-under-ceiling",
        "two machines above it",
        "146 USD a month, above 145 USD: 2 × m7i.large 146",
        nodes(2.0),
        ceiling=145.0,
        prices=PRICES,
    ),
    faulty(
        "cost-under-ceiling",
        "two machines above their budget",
        "above 145 USD",
        nodes(2.0),
        budget("145"),
        prices=PRICES,
    ),
    faulty(
        "cost-under-ceiling",
        "a machine that nobody can pay",
        "19338 USD a month at prices of 2025-04-24, above 2500 USD: 1 × g5.48xlarge 14869, 2 × g5.8xlarge",
        under(HERE, nodes(1.0, "g5.48xlarge")),
        under(HERE, nodes(2.0, "g5.8xlarge")),
        budget("2500"),
    ),
    faulty(
        "cost-under-ceiling",
        "two above it in working hours",
        "56 USD a month, above 55 USD: 0.774 × m7i.large 56",
        nodes(2.0),
        EVENING,
        MORNING,
        ceiling=55.0,
        prices=PRICES,
    ),
    faulty(
        "cost-under-ceiling",
        "a schedule that is not understood",
        "146 USD",
        nodes(2.0),
        EVENING,
        schedule("morning", "0 7 1 * *", 2.0),
        ceiling=100.0,
        prices=PRICES,
    ),
    faulty(
        "cost-under-ceiling",
        "a kind without a price",
        "no price for m7i.metal in eu-central-1",
        under(HERE, nodes(1.0, "m7i.metal")),
        ceiling=1.0,
        prices=PRICES,
    ),
    faulty(
        "cost-under-ceiling",
        "a region without prices",
        'in policies/stacks/prod.json: "cost-under-ceiling": {"prices": {"nat-gateway": …}}',
        under({"region": "eu-west-9"}, GATEWAY),
        ceiling=1.0,
    ),
    faulty(
        "cost-under-ceiling",
        "a balancer before AWS says where it is",
        "20 USD a month at prices of 2024-09-17, above 10 USD: 1 × load-balancer 20",
        under(HERE, replace(ABROAD, props={"region": UNKNOWN_STRING_VALUE})),
        ceiling=10.0,
    ),
    faulty(
        "cost-under-ceiling",
        "a balancer in another region than its provider",
        "16 USD a month at prices of 2024-07-01",
        under(HERE, ABROAD),
        ceiling=10.0,
    ),
    faulty("cost-under-ceiling", "nowhere", "nat-gateway in a region that is not said", GATEWAY, ceiling=1.0),
    # 730 × (2 × 0.20 + 2 × 0.30 + 0.05 + 2 × 0.01): the standby, both caches and both ends count.
    faulty(
        "cost-under-ceiling",
        "what else runs",
        "781 USD",
        DATABASE,
        CACHE,
        GATEWAY,
        ENDPOINT,
        ceiling=780.0,
        prices=PRICES,
    ),
]
