"""Machines of AWS by name, and which of them can be what.

AWS lists the families of EC2 (Instance Types guide), RDS ("DB instance classes") and ElastiCache ("Supported node
types"); a family that it adds has to be added here.
"""

from typing import Annotated

from pydantic import AfterValidator

GPU = ("g4dn", "g5", "g6", "g6e", "gr6", "p3", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200")
"""With GPUs of NVIDIA, which is what our GPU image drives."""
CPU = (
    *("t3", "t3a", "m5", "m5a", "m5ad", "m5d", "m5dn", "m5n", "m5zn", "m6a", "m6i", "m6id", "m6idn", "m6in"),
    *("m7a", "m7i", "m7i-flex", "m8a", "m8i", "m8i-flex"),
    *("c5", "c5a", "c5ad", "c5d", "c5n", "c6a", "c6i", "c6id", "c6in", "c7a", "c7i", "c7i-flex", "c8i", "c8i-flex"),
    *("r5", "r5a", "r5ad", "r5b", "r5d", "r5dn", "r5n", "r6a", "r6i", "r6id", "r6idn", "r6in", "r7a", "r7i", "r7iz"),
    *("r8i", "r8i-flex", "x2idn", "x2iedn", "x2iezn", "i3en", "i4i", "i7ie"),
)
"""With processors of Intel or AMD: our images are built for x86_64, so that Graviton cannot start them."""
DATABASE = (
    *("t3", "t4g", "m5", "m5d", "m6g", "m6gd", "m6i", "m6id", "m6idn", "m6in", "m7g", "m7i", "m8g"),
    *("r5", "r5b", "r5d", "r6g", "r6gd", "r6i", "r6id", "r6idn", "r6in", "r7g", "r7i", "r8g", "x2g", "x2idn", "x2iedn"),
)
CACHE = ("t3", "t4g", "m5", "m6g", "m7g", "r5", "r6g", "r6gd", "r7g", "c7gn")


def family(instance_type: str) -> str:
    """``m7i`` of ``m7i.xlarge``, ``r7g`` of ``db.r7g.large``."""
    return instance_type.split(".")[-2] if "." in instance_type else instance_type


def _among(instance_type: str, prefix: str, families: tuple[str, ...], example: str) -> str:
    start, _, size = instance_type.rpartition(".")
    known = [prefix + each for each in families]
    if not size or start not in known:
        raise ValueError(
            f"{instance_type} is no machine for this; give one like {example}, of the families "
            f"{', '.join(family(each + '.') for each in known)}"
        )
    return instance_type


def _node(instance_type: str) -> str:
    return _among(instance_type, "", CPU + GPU, "m7i.xlarge")


def _database(instance_class: str) -> str:
    return _among(instance_class, "db.", DATABASE, "db.r7g.large")


def _cache(node_type: str) -> str:
    return _among(node_type, "cache.", CACHE, "cache.r7g.large")


NodeType = Annotated[str, AfterValidator(_node)]
"""EC2 instance type of a node."""
DatabaseClass = Annotated[str, AfterValidator(_database)]
"""RDS instance class for Postgres."""
CacheType = Annotated[str, AfterValidator(_cache)]
"""ElastiCache node type for Redis."""
