"""A second region: a copy of a stack's file with another name, region and network, beside the first in one account."""

from functools import cache
from typing import Any

from tests.infra.aws.cloud import Cloud
from tests.infra.aws.stack import made, program, whole, whole_as_written

RECORD = "aws:route53/record:Record"
ROUTE = "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"
DOMAIN = "models.example.com"
ZONES = [f"us-east-1{zone}" for zone in "abc"]
NAMING = ("name", "bucket", "identifier", "finalSnapshotIdentifier")
"""Inputs by which the program itself gives something its name in AWS."""


@cache
def second() -> Cloud:
    told = {"region": "us-east-1", "zones": ZONES, "cidr": "10.40.0.0/16", "avoid": ["10.20.0.0/16", "10.30.0.0/16"]}
    return whole("prod", told, "prod-us")


def regions() -> tuple[Cloud, Cloud]:
    return whole_as_written("prod"), second()


def names(cloud: Cloud) -> set[tuple[str, str]]:
    """What AWS calls each thing; where the program leaves that to Pulumi, it starts with what the program calls it."""
    found: set[tuple[str, str]] = set()
    for (typ, name), inputs in made(cloud).items():
        if typ.startswith("aws:") and typ != RECORD:
            given = [inputs[key] for key in NAMING if isinstance(inputs.get(key), str)]
            found |= {(typ, each) for each in (name, *given)}
    return found


def records(cloud: Cloud) -> dict[str, dict[str, Any]]:
    return {inputs["name"]: inputs for inputs in cloud.all(RECORD)}


def test_nothing_of_one_region_is_called_as_something_of_the_other() -> None:
    here, there = map(names, regions())
    assert not here & there


def test_both_are_of_as_many_things() -> None:
    here, there = regions()
    assert sorted(typ for typ, *_ in here.resources) == sorted(typ for typ, *_ in there.resources)


def test_nothing_of_the_second_is_in_the_first_ones_region() -> None:
    assert second().only("pulumi:providers:aws")["region"] == "us-east-1"
    assert "eu-central-1" not in str(made(second()))


def test_callers_of_the_domain_are_led_to_the_nearest_by_records_that_do_not_meet() -> None:
    here, there = (records(cloud)[DOMAIN] for cloud in regions())
    assert [each["latencyRoutingPolicies"] for each in (here, there)] == [
        [{"region": "eu-central-1"}],
        [{"region": "us-east-1"}],
    ]
    assert here["setIdentifier"] != there["setIdentifier"]
    assert here["healthCheckId"] != there["healthCheckId"]


def test_only_the_domain_and_the_proof_of_it_are_records_of_both() -> None:
    here, there = map(records, regions())
    assert here.keys() & there.keys() == {DOMAIN, f"_{DOMAIN}"}
    assert here[f"_{DOMAIN}"]["allowOverwrite"]
    assert there[f"_{DOMAIN}"]["allowOverwrite"]


def test_a_region_that_serves_is_found_well() -> None:
    """The check calls the region by its own name; a route must know the name that the gateway hears then."""
    for cloud in regions():
        check = cloud.only("aws:route53/healthCheck:HealthCheck")
        (rule,) = cloud.all("aws:lb/listenerRule:ListenerRule")
        ((named,),) = [condition["hostHeader"]["values"] for condition in rule["conditions"]]
        assert cloud.named(RECORD, f"{_called(cloud)}-here")["name"] == named
        heard = rule["transforms"][0]["hostHeaderRewriteConfig"]["rewrite"]["replace"]
        index = next(route["spec"] for route in cloud.all(ROUTE) if route["metadata"]["name"] == "index")
        assert heard in index["hostnames"]
        assert check["resourcePath"] in [match["path"]["value"] for match in index["rules"][0]["matches"]]


def test_each_counts_what_it_costs_itself() -> None:
    filters = [cloud.only("aws:budgets/budget:Budget")["costFilters"][0]["values"] for cloud in regions()]
    assert filters == [["user:stack$prod"], ["user:stack$prod-us"]]


def test_a_name_as_long_as_stacks_may_have_is_not_too_long_for_roles() -> None:
    """IAM takes 64 signs, of which Pulumi needs eight to make a name unique; load balancers take 32."""
    long = program("prod", name="prod-far-away").resources
    assert max(len(name) for typ, name, _ in long if typ == "aws:iam/role:Role") <= 56
    assert max(len(name) for typ, name, _ in long if typ.startswith("aws:lb/loadBalancer:")) <= 24


def _called(cloud: Cloud) -> str:
    return next(name for typ, name, _ in cloud.resources if typ == "modelserve:aws:Edge")
