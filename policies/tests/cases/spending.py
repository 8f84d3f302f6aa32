"""Tags and costs."""

import json
from typing import Any

from tests.judge import Made, faulty, fine, made, under

TAGS = {"project": "modelserve", "stack": "prod", "managed-by": "pulumi"}
BUCKET = "aws:s3/bucket:Bucket"
DEFAULTS = {"defaultTags": json.dumps({"tags": TAGS})}
PRICES = {"m7i.large": 0.1, "db.r7g.large": 0.2, "cache.r7g.large": 0.3, "nat-gateway": 0.05}
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
    fine("cost-under-ceiling", "no prices", nodes(2.0, "p5.48xlarge"), ceiling=1.0),
    fine("cost-under-ceiling", "no ceiling", nodes(2.0), prices=PRICES),
    fine("cost-under-ceiling", "two machines under their budget", nodes(2.0), budget("150"), prices=PRICES),
    faulty(
        "cost-under-ceiling",
        "two machines above it",
        "2 × m7i.large cost 146 USD a month, above 145 USD",
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
        "a kind without a price",
        "no price for m7i.metal",
        nodes(1.0, "m7i.metal"),
        ceiling=1.0,
        prices=PRICES,
    ),
    # 730 × (2 × 0.20 + 2 × 0.30 + 0.05): the standby and both caches count.
    faulty(
        "cost-under-ceiling", "what else runs", "cost 766 USD", DATABASE, CACHE, GATEWAY, ceiling=765.0, prices=PRICES
    ),
]
