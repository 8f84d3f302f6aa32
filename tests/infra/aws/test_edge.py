"""The edge, without a cloud: what the internet reaches, by which names, and what is refused before."""

from functools import cache
from typing import Any

import pytest

from infra.aws.edge import Edge, EdgeArgs
from infra.aws.firewall import Firewall, FirewallArgs
from tests.infra.aws.cloud import Cloud

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"


@cache
def edge(protected: bool = True) -> tuple[Cloud, str]:
    cloud = Cloud()
    args = EdgeArgs(
        "eu-central-1",
        "api.example.com",
        "Z1",
        "vpc-1",
        ["subnet-a", "subnet-b", "subnet-c"],
        "sg-cluster",
        "arn:acl",
        "log-bucket",
        protected,
    )
    return cloud, str(cloud.run(lambda: Edge("edge", args, cloud.opts).url))


def made() -> Cloud:
    return edge()[0]


def test_everybody_reaches_https_and_its_redirect_and_nothing_else() -> None:
    world = [rule for rule in made().all(INGRESS) if rule.get("cidrIpv4") == "0.0.0.0/0"]
    assert {rule["fromPort"] for rule in world} == {443, 80}
    assert {rule["securityGroupId"] for rule in world} == {"edge-id"}


def test_the_gateway_hears_the_load_balancer_alone() -> None:
    inward = [rule for rule in made().all(INGRESS) if rule["securityGroupId"] == "sg-cluster"]
    assert {rule["referencedSecurityGroupId"] for rule in inward} == {"edge-id"}
    assert {rule["fromPort"] for rule in inward} == {80, 15021}


def test_the_load_balancer_calls_the_gateway_alone() -> None:
    outward = made().all("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    assert {rule["referencedSecurityGroupId"] for rule in outward} == {"sg-cluster"}


def test_plain_http_only_redirects() -> None:
    (action,) = made().named("aws:lb/listener:Listener", "edge-http")["defaultActions"]
    assert (action["type"], action["redirect"]["protocol"]) == ("redirect", "HTTPS")


def test_old_tls_is_refused() -> None:
    assert made().named("aws:lb/listener:Listener", "edge")["sslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2-Res")


def test_the_firewall_stands_before_the_load_balancer() -> None:
    assert made().only("aws:wafv2/webAclAssociation:WebAclAssociation")["webAclArn"] == "arn:acl"


def test_requests_are_written_down() -> None:
    assert made().only(BALANCER)["accessLogs"] == {"bucket": "log-bucket", "prefix": "alb", "enabled": True}


def test_the_certificate_holds_for_both_names_and_route_53_proves_them() -> None:
    certificate = made().only("aws:acm/certificate:Certificate")
    names = [certificate["domainName"], *certificate["subjectAlternativeNames"]]
    assert names == ["api.example.com", "eu-central-1.api.example.com"]
    proofs = made().only("aws:acm/certificateValidation:CertificateValidation")["validationRecordFqdns"]
    assert len(proofs) == 2


def record(name: str) -> dict[str, Any]:
    return made().named("aws:route53/record:Record", name)


def test_the_domain_leads_to_the_nearest_place_that_is_well() -> None:
    domain = record("edge")
    assert domain["latencyRoutingPolicies"] == [{"region": "eu-central-1"}]
    assert (domain["setIdentifier"], domain["healthCheckId"]) == ("eu-central-1", "edge-id")


def test_this_place_has_a_name_of_its_own_that_is_checked() -> None:
    assert record("edge-here")["name"] == "eu-central-1.api.example.com"
    assert made().only("aws:route53/healthCheck:HealthCheck")["type"] == "HTTPS"


def test_who_calls_this_place_by_its_own_name_is_heard_as_a_caller_of_the_domain() -> None:
    rule = made().only("aws:lb/listenerRule:ListenerRule")
    (condition,), (rewrite,) = rule["conditions"], rule["transforms"]
    assert condition["hostHeader"]["values"] == ["eu-central-1.api.example.com"]
    assert rewrite["hostHeaderRewriteConfig"]["rewrite"] == {"regex": "^.+$", "replace": "api.example.com"}
    assert rule["actions"] == [{"type": "forward", "targetGroupArn": "arn:aws:made:::edge"}]


def test_clients_call_by_https() -> None:
    assert edge()[1] == "https://api.example.com"


def test_a_protected_load_balancer_refuses_to_go() -> None:
    assert made().only(BALANCER)["enableDeletionProtection"]
    assert all(options.protect for options in made().option(BALANCER))


def test_an_unprotected_one_goes() -> None:
    assert not edge(protected=False)[0].only(BALANCER)["enableDeletionProtection"]


@cache
def firewall() -> Cloud:
    cloud = Cloud()
    cloud.run(lambda: Firewall("ms", FirewallArgs(600, "arn:log-key")).web_acl_arn)
    return cloud


def rules() -> dict[str, dict[str, Any]]:
    return {rule["name"]: rule for rule in firewall().only("aws:wafv2/webAcl:WebAcl")["rules"]}


def test_awss_rules_are_in_force() -> None:
    managed = [rule for rule in rules().values() if "managedRuleGroupStatement" in rule["statement"]]
    assert len(managed) == 3
    assert all(rule["overrideAction"] == {"none": {}} for rule in managed)


def test_photographs_get_through() -> None:
    common = rules()["AWSManagedRulesCommonRuleSet"]["statement"]["managedRuleGroupStatement"]
    assert {o["name"]: o["actionToUse"] for o in common["ruleActionOverrides"]} == {
        "SizeRestrictions_BODY": {"count": {}},
        "CrossSiteScripting_BODY": {"count": {}},
    }


def test_an_address_that_sends_too_much_gets_429_and_when_to_come_back() -> None:
    rate = rules()["too-many-requests"]
    statement = rate["statement"]["rateBasedStatement"]
    assert (statement["limit"], statement["evaluationWindowSec"]) == (600, 60)
    refused = rate["action"]["block"]["customResponse"]
    assert refused["responseCode"] == 429
    assert [h["name"] for h in refused["responseHeaders"]] == ["Retry-After"]


def test_rules_are_taken_in_an_order_without_ties() -> None:
    priorities = [rule["priority"] for rule in rules().values()]
    assert sorted(priorities) == list(range(4))


def test_what_is_refused_is_written_down_without_credentials() -> None:
    logging = firewall().only("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration")
    assert {f["singleHeader"]["name"] for f in logging["redactedFields"]} == {"authorization", "x-api-key", "cookie"}
    assert logging["loggingFilter"]["defaultBehavior"] == "DROP"


def test_no_request_is_sampled_with_its_headers() -> None:
    acl = firewall().only("aws:wafv2/webAcl:WebAcl")
    assert not any(seen["visibilityConfig"]["sampledRequestsEnabled"] for seen in (acl, *acl["rules"]))


def test_the_log_has_the_name_that_aws_insists_on() -> None:
    log = firewall().only("aws:cloudwatch/logGroup:LogGroup")
    assert (log["name"], log["kmsKeyId"]) == ("aws-waf-logs-ms", "arn:log-key")


def test_a_rate_that_aws_does_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match="give at least 10"):
        FirewallArgs(5, "arn:log-key")
