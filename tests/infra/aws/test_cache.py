"""The cache, without a cloud: what it makes, and what it must not."""

import pulumi

from infra.aws.cache import Cache, CacheArgs
from tests.recorder import Recorder

GROUP = "aws:elasticache/replicationGroup:ReplicationGroup"


def cache(replicas: int) -> pulumi.Output[str]:
    token = pulumi.Output.secret("t0ken")
    return Cache("cache", CacheArgs(["subnet-a"], "sg-1", "arn:key", token, "cache.t4g.small", replicas)).url


def test_one_node_does_not_pretend_to_fail_over() -> None:
    cloud = Recorder()
    cloud.run(lambda: cache(replicas=0))
    group = cloud.only(GROUP)
    assert group["numCacheClusters"] == 1
    assert not group["automaticFailoverEnabled"]


def test_a_replica_takes_over_in_another_zone() -> None:
    cloud = Recorder()
    cloud.run(lambda: cache(replicas=1))
    group = cloud.only(GROUP)
    assert group["automaticFailoverEnabled"]
    assert group["multiAzEnabled"]


def test_nothing_travels_or_rests_in_clear() -> None:
    cloud = Recorder()
    cloud.run(lambda: cache(replicas=2))
    group = cloud.only(GROUP)
    assert group["transitEncryptionEnabled"]
    assert group["atRestEncryptionEnabled"]
    assert group["kmsKeyId"] == "arn:key"


def test_who_does_not_show_the_token_is_refused() -> None:
    cloud = Recorder()
    cloud.run(lambda: cache(replicas=0))
    assert cloud.only(GROUP)["authToken"]["value"] == "t0ken"


def test_the_url_does_not_carry_the_token() -> None:
    assert Recorder().run(lambda: cache(replicas=0)) == "rediss://cache.example:6379"
