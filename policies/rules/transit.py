"""Encryption on the way."""

from pack.documents import conditions, everyone, statements, words
from pack.resource import UNKNOWN, Resource, Stack, dig
from pack.rule import Faults, StackFaults, rule, stack_rule
from rules.encryption import BUCKETS


@rule("aws:elasticache/replicationGroup:ReplicationGroup")
def cache_over_tls(resource: Resource) -> Faults:
    """Caches speak TLS and ask for a token.

    Set ``transit_encryption_enabled`` and an ``auth_token`` (or user groups), and call ``rediss://``.
    """
    if resource.get("transitEncryptionEnabled") not in (True, "true", UNKNOWN):
        yield "transitEncryptionEnabled is not true"
    if not resource.get("authToken") and not resource.get("userGroupIds"):
        yield "neither authToken nor userGroupIds is given: whoever reaches the port may read"


@rule("aws:rds/parameterGroup:ParameterGroup", "aws:rds/instance:Instance")
def database_over_tls(resource: Resource) -> Faults:
    """Postgres refuses connections without TLS.

    Give the database a parameter group of its own in which ``rds.force_ssl`` is 1.
    """
    if resource.isa("aws:rds/instance:*"):
        if resource.get("engine") == "postgres" and not resource.get("parameterGroupName"):
            yield "parameterGroupName is missing: the default group is as AWS has it for this version"
        return
    if not str(resource.get("family")).startswith("postgres"):
        return
    forced = [
        dig(one, "value") for one in resource.each("parameters") if dig(one, "name") in ("rds.force_ssl", UNKNOWN)
    ]
    if not any(value is UNKNOWN or str(value) == "1" for value in forced):
        yield "rds.force_ssl is not 1"


@stack_rule()
def bucket_over_tls(stack: Stack) -> StackFaults:
    """Every bucket refuses requests without TLS.

    Add a ``BucketPolicy`` that denies ``s3:*`` to everybody where ``aws:SecureTransport`` is false.
    """
    for bucket in stack.of(*BUCKETS):
        policies = stack.leading_to(bucket, "aws:s3/bucketPolicy:BucketPolicy", "bucket")
        if not policies:
            yield "no BucketPolicy names this bucket", bucket
        elif not any(_denies_clear_text(policy) for policy in policies):
            yield "its policy does not deny what comes without TLS (aws:SecureTransport false)", bucket


@rule("aws:lb/listener:Listener", "aws:alb/listener:Listener")
def listener_over_tls(resource: Resource) -> Faults:
    """Load balancers serve HTTPS with TLS 1.2 at least, and HTTP only to send callers there.

    Make the listener HTTPS with an ``ssl_policy`` named ``ELBSecurityPolicy-TLS13-1-2-…``, or its action a redirect.
    """
    protocol, policy = resource.get("protocol"), resource.get("sslPolicy")
    if protocol in ("HTTPS", "TLS") and policy is not UNKNOWN and not _modern(str(policy)):
        yield f"sslPolicy {policy or 'is the default, which'} still takes TLS 1.0"
    elif protocol == "HTTP":
        actions = [dig(one, "type") for one in resource.each("defaultActions")]
        if any(action not in ("redirect", UNKNOWN) for action in actions):
            yield "it answers over plain HTTP"


def _denies_clear_text(policy: Resource) -> bool:
    found = statements(policy.get("policy"))
    if found is None:
        return True
    return any(
        one.get("Effect") == "Deny"
        and everyone(one)
        and "s3:*" in words(one.get("Action"))
        and ("Bool", "aws:SecureTransport", ["false"]) in conditions(one)
        for one in found
    )


def _modern(policy: str) -> bool:
    # Names of Elastic Load Balancing's security policies hold the oldest version that they take.
    return any(word in policy for word in ("TLS13-1-2", "TLS13-1-3", "TLS-1-2", "FS-1-2"))
