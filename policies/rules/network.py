"""The network's own records and guards."""

from pack.resource import UNKNOWN, Resource, Stack
from pack.rule import Faults, StackFaults, rule, stack_rule
from rules.exposure import BALANCER

AUDITED = ("api", "audit", "authenticator")


@stack_rule()
def network_flows_logged(stack: Stack) -> StackFaults:
    """Every network records its flows.

    Add an ``ec2.FlowLog`` for the VPC.
    """
    for network in stack.of("aws:ec2/vpc:Vpc"):
        if not stack.leading_to(network, "aws:ec2/flowLog:FlowLog", "vpcId"):
            yield "no FlowLog names this network", network


@stack_rule()
def balancer_behind_firewall(stack: Stack) -> StackFaults:
    """A load balancer on the internet stands behind a web firewall.

    Add a ``wafv2.WebAclAssociation`` for it, or make it ``internal``.
    """
    for balancer in stack.of(BALANCER):
        # A network load balancer does not read HTTP, and takes no firewall.
        reads = balancer.get("loadBalancerType") in (None, "application")
        firewall = stack.leading_to(balancer, "aws:wafv2/webAclAssociation:WebAclAssociation", "resourceArn")
        if reads and balancer.get("internal") in (None, False) and not firewall:
            yield "no WebAclAssociation names this load balancer", balancer


@rule(BALANCER)
def balancer_logs_and_drops(resource: Resource) -> Faults:
    """Load balancers log who came, and drop headers that are not valid.

    Set ``access_logs`` to a bucket, and ``drop_invalid_header_fields``: what the gateway reads differently could be
    smuggled past the firewall.
    """
    if not resource.get("accessLogs", "enabled"):
        yield "accessLogs.enabled is not true"
    if resource.get("loadBalancerType") in (None, "application") and not resource.get("dropInvalidHeaderFields"):
        yield "dropInvalidHeaderFields is not true"


@rule("aws:eks/cluster:Cluster")
def control_plane_logged(resource: Resource) -> Faults:
    """The control plane logs who did what.

    List at least ``api``, ``audit`` and ``authenticator`` in ``enabled_cluster_log_types``.
    """
    listed = resource.each("enabledClusterLogTypes")
    missing = [one for one in AUDITED if one not in listed]
    # One that is not known yet may be any of them.
    if missing and UNKNOWN not in listed:
        yield f"enabledClusterLogTypes lacks {', '.join(missing)}"


@rule("aws:cloudwatch/logGroup:LogGroup")
def logs_end(resource: Resource) -> Faults:
    """Logs are kept for a time that somebody chose.

    Set ``retention_in_days``: without it they are kept, and paid for, for ever.
    """
    if not resource.get("retentionInDays"):
        yield "retentionInDays is missing"
