"""The web firewall before the load balancer: AWS's managed rules, a rate limit, and a log of what was refused."""

from __future__ import annotations  # a service's module is imported when it is used

from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, wafv2

RATE = "too-many-requests"
# A photograph is larger than the 8 KB that the first allows, and among its bytes the second finds scripts; the gateway
# limits the size of a body, and the apps decode pictures and nothing else.
COUNTED = {"AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY", "CrossSiteScripting_BODY")}
MANAGED = ("AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet", *COUNTED)
SECRET_HEADERS = ("authorization", "x-api-key", "cookie")


@dataclass(frozen=True)
class FirewallArgs:
    """What the firewall needs from its surroundings.

    Attributes:
        requests_per_minute: what one address may send; more gets 429 until it is less.
        log_key_arn: encrypts the log.
        log_retention_days: how long refused requests are kept.
    """

    requests_per_minute: int
    log_key_arn: pulumi.Input[str]
    log_retention_days: int = 30

    def __post_init__(self) -> None:
        # AWS WAF's lower limit for a rate-based rule.
        if self.requests_per_minute < 10:
            raise ValueError(f"requests_per_minute is {self.requests_per_minute}; give at least 10")


class Firewall(pulumi.ComponentResource):
    """A web ACL for a load balancer."""

    web_acl_arn: pulumi.Output[str]
    """Goes onto the load balancer."""

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:aws:Firewall", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        acl = wafv2.WebAcl(
            name,
            scope="REGIONAL",
            default_action=wafv2.WebAclDefaultActionArgs(allow=wafv2.WebAclDefaultActionAllowArgs()),
            rules=[_rate(args.requests_per_minute), *(_managed(i, group) for i, group in enumerate(MANAGED, start=1))],
            visibility_config=wafv2.WebAclVisibilityConfigArgs(
                metric_name=name, cloudwatch_metrics_enabled=True, sampled_requests_enabled=False
            ),
            opts=child,
        )
        log = cloudwatch.LogGroup(
            name,
            # AWS WAF takes no other prefix.
            name=f"aws-waf-logs-{name}",
            retention_in_days=args.log_retention_days,
            kms_key_id=args.log_key_arn,
            opts=child,
        )
        wafv2.WebAclLoggingConfiguration(
            name,
            resource_arn=acl.arn,
            log_destination_configs=[log.arn],
            redacted_fields=[
                wafv2.WebAclLoggingConfigurationRedactedFieldArgs(
                    single_header=wafv2.WebAclLoggingConfigurationRedactedFieldSingleHeaderArgs(name=header)
                )
                for header in SECRET_HEADERS
            ],
            logging_filter=wafv2.WebAclLoggingConfigurationLoggingFilterArgs(
                default_behavior="DROP",
                filters=[
                    wafv2.WebAclLoggingConfigurationLoggingFilterFilterArgs(
                        behavior="KEEP",
                        requirement="MEETS_ANY",
                        conditions=[
                            wafv2.WebAclLoggingConfigurationLoggingFilterFilterConditionArgs(
                                action_condition=wafv2.WebAclLoggingConfigurationLoggingFilterFilterConditionActionConditionArgs(
                                    action="BLOCK"
                                )
                            )
                        ],
                    )
                ],
            ),
            opts=child,
        )

        self.web_acl_arn = acl.arn
        self.register_outputs({"web_acl_arn": self.web_acl_arn})


def _seen_as(name: str) -> wafv2.WebAclRuleVisibilityConfigArgs:
    # Sampled requests would keep headers that the log leaves out.
    return wafv2.WebAclRuleVisibilityConfigArgs(
        metric_name=name, cloudwatch_metrics_enabled=True, sampled_requests_enabled=False
    )


def _rate(limit: int) -> wafv2.WebAclRuleArgs:
    refused = wafv2.WebAclRuleActionBlockCustomResponseArgs(
        response_code=429,
        response_headers=[wafv2.WebAclRuleActionBlockCustomResponseResponseHeaderArgs(name="Retry-After", value="60")],
    )
    return wafv2.WebAclRuleArgs(
        name=RATE,
        priority=0,
        action=wafv2.WebAclRuleActionArgs(block=wafv2.WebAclRuleActionBlockArgs(custom_response=refused)),
        statement=wafv2.WebAclRuleStatementArgs(
            rate_based_statement=wafv2.WebAclRuleStatementRateBasedStatementArgs(
                limit=limit, evaluation_window_sec=60, aggregate_key_type="IP"
            )
        ),
        visibility_config=_seen_as(RATE),
    )


def _managed(priority: int, group: str) -> wafv2.WebAclRuleArgs:
    counted = [
        wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgs(
            name=rule,
            action_to_use=wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseArgs(
                count=wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseCountArgs()
            ),
        )
        for rule in COUNTED.get(group, ())
    ]
    return wafv2.WebAclRuleArgs(
        name=group,
        priority=priority,
        override_action=wafv2.WebAclRuleOverrideActionArgs(none=wafv2.WebAclRuleOverrideActionNoneArgs()),
        statement=wafv2.WebAclRuleStatementArgs(
            managed_rule_group_statement=wafv2.WebAclRuleStatementManagedRuleGroupStatementArgs(
                vendor_name="AWS", name=group, rule_action_overrides=counted
            )
        ),
        visibility_config=_seen_as(group),
    )
