"""The edge: name, certificate and load balancer through which the internet reaches the gateway.

The load balancer belongs to the stack and not to a controller in the cluster, so that destroying the stack cannot leave
it behind; the controller only keeps the gateway's pods in its target group.
"""

from __future__ import annotations  # a service's module is imported when it is used

from dataclasses import dataclass

import pulumi
from pulumi_aws import acm, ec2, lb, route53, vpc, wafv2

HTTPS, HTTP = 443, 80
# Forward secrecy alone, TLS 1.2 at least (Elastic Load Balancing, "Security policies").
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"


@dataclass(frozen=True)
class EdgeArgs:
    """What the edge needs from its surroundings.

    Attributes:
        region: AWS region; also the name of this place beside others that serve the same domain.
        domain: what clients call, for example ``api.example.com``.
        zone_id: Route 53 zone that the domain lies in.
        vpc_id: the network.
        public_subnet_ids: public subnets, one a zone.
        cluster_security_group_id: group of the gateway's pods.
        web_acl_arn: the firewall.
        log_bucket: takes access logs under ``alb/``.
        protected: refuses deletion of the load balancer.
        gateway_port: where the gateway's pods listen.
        health_port: where they answer ``health_path``; Istio's gateways do so beside their traffic.
        health_path: says whether a pod takes traffic.
    """

    region: str
    domain: str
    zone_id: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    public_subnet_ids: pulumi.Input[list[str]]
    cluster_security_group_id: pulumi.Input[str]
    web_acl_arn: pulumi.Input[str]
    log_bucket: pulumi.Input[str]
    protected: bool
    gateway_port: int = 80
    health_port: int = 15021
    health_path: str = "/healthz/ready"


class Edge(pulumi.ComponentResource):
    """A public HTTPS endpoint before the gateway."""

    url: pulumi.Output[str]
    """Where clients call."""
    target_group_arn: pulumi.Output[str]
    """Takes the gateway's pods (``TargetGroupBinding``); known once the load balancer listens."""
    security_group_id: pulumi.Output[str]
    """Group of the load balancer; the gateway's pods let it in."""
    load_balancer: pulumi.Output[str]
    """The load balancer as CloudWatch names it, ``app/<name>/<id>``."""
    target_group: pulumi.Output[str]
    """Its target group likewise, ``targetgroup/<name>/<id>``."""

    def __init__(self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Edge", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)

        group, doors = self._doors()
        balancer = lb.LoadBalancer(
            name,
            load_balancer_type="application",
            subnets=args.public_subnet_ids,
            security_groups=[group.id],
            access_logs=lb.LoadBalancerAccessLogsArgs(bucket=args.log_bucket, prefix="alb", enabled=True),
            drop_invalid_header_fields=True,
            enable_deletion_protection=args.protected,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protected),
        )
        wafv2.WebAclAssociation(name, resource_arn=balancer.arn, web_acl_arn=args.web_acl_arn, opts=self._child)
        targets = lb.TargetGroup(
            name,
            vpc_id=args.vpc_id,
            target_type="ip",
            protocol="HTTP",
            port=args.gateway_port,
            # The gateway drains for as long; a pod that is gone must not be called.
            deregistration_delay=30,
            load_balancing_algorithm_type="least_outstanding_requests",
            health_check=lb.TargetGroupHealthCheckArgs(
                port=str(args.health_port), path=args.health_path, interval=10, healthy_threshold=2
            ),
            opts=self._child,
        )
        listener = lb.Listener(
            name,
            load_balancer_arn=balancer.arn,
            port=HTTPS,
            protocol="HTTPS",
            ssl_policy=TLS_POLICY,
            certificate_arn=self._certificate(),
            default_actions=[lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)],
            opts=self._child,
        )
        lb.Listener(
            f"{name}-http",
            load_balancer_arn=balancer.arn,
            port=HTTP,
            protocol="HTTP",
            default_actions=[
                lb.ListenerDefaultActionArgs(
                    type="redirect",
                    redirect=lb.ListenerDefaultActionRedirectArgs(
                        port=str(HTTPS), protocol="HTTPS", status_code="HTTP_301"
                    ),
                )
            ],
            opts=self._child,
        )
        self._heard_as_domain(listener, targets)
        self._names(balancer)

        self.url = pulumi.Output.from_input(f"https://{args.domain}")
        self.target_group_arn = pulumi.Output.all(targets.arn, listener.id, *(door.id for door in doors)).apply(
            lambda known: str(known[0])
        )
        self.security_group_id = group.id
        self.load_balancer, self.target_group = balancer.arn_suffix, targets.arn_suffix
        self.register_outputs({"url": self.url, "target_group_arn": self.target_group_arn})

    @property
    def _here(self) -> str:
        return f"{self._args.region}.{self._args.domain}"

    def _doors(self) -> tuple[ec2.SecurityGroup, list[pulumi.CustomResource]]:
        name, args = self._name, self._args
        group = ec2.SecurityGroup(
            name, vpc_id=args.vpc_id, description="The internet to HTTPS", tags={"Name": name}, opts=self._child
        )
        doors: list[pulumi.CustomResource] = [
            # The one place that everybody may reach; the second port only redirects to the first.
            vpc.SecurityGroupIngressRule(
                f"{name}-{port}",
                security_group_id=group.id,
                description="Everybody",
                cidr_ipv4="0.0.0.0/0",
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                opts=self._child,
            )
            for port in (HTTPS, HTTP)
        ]
        for port in (args.gateway_port, args.health_port):
            doors.append(
                vpc.SecurityGroupEgressRule(
                    f"{name}-out-{port}",
                    security_group_id=group.id,
                    referenced_security_group_id=args.cluster_security_group_id,
                    description="The gateway's pods",
                    ip_protocol="tcp",
                    from_port=port,
                    to_port=port,
                    opts=self._child,
                )
            )
            doors.append(
                vpc.SecurityGroupIngressRule(
                    f"{name}-gateway-{port}",
                    security_group_id=args.cluster_security_group_id,
                    referenced_security_group_id=group.id,
                    description="The load balancer",
                    ip_protocol="tcp",
                    from_port=port,
                    to_port=port,
                    opts=self._child,
                )
            )
        return group, doors

    def _certificate(self) -> pulumi.Output[str]:
        """A certificate for both names, known once Route 53 has proved that they are ours."""
        name, args = self._name, self._args
        certificate = acm.Certificate(
            name,
            domain_name=args.domain,
            subject_alternative_names=[self._here],
            validation_method="DNS",
            opts=self._child,
        )
        proofs = [
            route53.Record(
                f"{name}-proof-{i}",
                zone_id=args.zone_id,
                name=certificate.domain_validation_options[i].resource_record_name,
                type=certificate.domain_validation_options[i].resource_record_type,
                records=[certificate.domain_validation_options[i].resource_record_value],
                ttl=60,
                # All regions of an account prove the domain by the same record.
                allow_overwrite=True,
                opts=self._child,
            )
            for i in range(2)
        ]
        return acm.CertificateValidation(
            name,
            certificate_arn=certificate.arn,
            validation_record_fqdns=[proof.fqdn for proof in proofs],
            opts=self._child,
        ).certificate_arn

    def _heard_as_domain(self, listener: lb.Listener, targets: lb.TargetGroup) -> None:
        """Let callers of this place's own name in as callers of the domain, the one name that the gateway answers to.

        One of them is the health check, by whose answer callers of the domain are led elsewhere.
        """
        lb.ListenerRule(
            f"{self._name}-here",
            listener_arn=listener.arn,
            priority=1,
            conditions=[
                lb.ListenerRuleConditionArgs(host_header=lb.ListenerRuleConditionHostHeaderArgs(values=[self._here]))
            ],
            transforms=[
                lb.ListenerRuleTransformArgs(
                    type="host-header-rewrite",
                    host_header_rewrite_config=lb.ListenerRuleTransformHostHeaderRewriteConfigArgs(
                        rewrite=lb.ListenerRuleTransformHostHeaderRewriteConfigRewriteArgs(
                            regex="^.+$", replace=self._args.domain
                        )
                    ),
                )
            ],
            actions=[lb.ListenerRuleActionArgs(type="forward", target_group_arn=targets.arn)],
            opts=self._child,
        )

    def _names(self, balancer: lb.LoadBalancer) -> None:
        """This place by its own name, and the domain led to the nearest place that is well."""
        name, args = self._name, self._args
        target = route53.RecordAliasArgs(name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=True)
        here = route53.Record(
            f"{name}-here", zone_id=args.zone_id, name=self._here, type="A", aliases=[target], opts=self._child
        )
        health = route53.HealthCheck(
            name,
            type="HTTPS",
            fqdn=here.fqdn,
            port=HTTPS,
            # The gateway's list of apps.
            resource_path="/",
            request_interval=30,
            failure_threshold=3,
            tags={"Name": self._here},
            opts=self._child,
        )
        route53.Record(
            name,
            zone_id=args.zone_id,
            name=args.domain,
            type="A",
            aliases=[target],
            set_identifier=args.region,
            latency_routing_policies=[route53.RecordLatencyRoutingPolicyArgs(region=args.region)],
            health_check_id=health.id,
            opts=self._child,
        )
