"""Settings of AWS: each mistake is refused before anything is made, with its key and what is allowed."""

import json
from typing import Any

import pytest
import yaml

from infra.settings import CHECKOUT, Settings, from_file, parse, serving_specs
from infra.settings.aws import Aws
from infra.settings.tree import merge
from infra.validation import SettingsError

PROD = yaml.safe_load((CHECKOUT / "Pulumi.prod.yaml").read_text())["config"]["modelserve:aws"]
STAGE = yaml.safe_load((CHECKOUT / "Pulumi.stage.yaml").read_text())["config"]["modelserve:aws"]


def accepted(changes: dict[str, Any], written: dict[str, Any] = PROD, stack: str = "prod", **more: object) -> Settings:
    values = {"modelserve:target": "aws", "modelserve:aws": json.dumps(merge(written, changes))}
    return parse(values | {f"modelserve:{key}": json.dumps(value) for key, value in more.items()}, stack)


def aws(changes: dict[str, Any], written: dict[str, Any] = PROD) -> Aws:
    told = accepted(changes, written).aws
    assert told is not None
    return told


def refusal(changes: dict[str, Any], written: dict[str, Any] = PROD, stack: str = "prod") -> str:
    with pytest.raises(SettingsError) as refused:
        accepted(changes, written, stack)
    said = str(refused.value)
    assert said.startswith(f"Pulumi.{stack}.yaml: modelserve:aws") or "stack" in said
    return said


@pytest.mark.parametrize("stack", ["stage", "prod"])
def test_the_files_of_the_project_are_valid_as_they_are(stack: str) -> None:
    assert from_file(stack).aws is not None


@pytest.mark.parametrize("written", [STAGE, PROD])
def test_their_accounts_and_names_are_those_that_the_world_keeps_for_examples(written: dict[str, Any]) -> None:
    assert written["account_id"] == "123456789012"
    assert written["domain"].endswith("example.com")
    assert all(email.endswith("@example.com") for email in written["emails"])


def test_what_is_left_out_means_what_production_wants() -> None:
    told = aws({})
    assert told.redundant
    assert told.protected
    assert not told.api.public_cidrs


def test_a_stack_in_aws_without_its_section_is_told_what_to_give() -> None:
    with pytest.raises(SettingsError, match=r"Pulumi.prod.yaml: modelserve:aws is missing"):
        parse({"modelserve:target": "aws"}, "prod")


def test_a_stack_elsewhere_needs_none() -> None:
    assert parse({"modelserve:target": "kind"}, "dev").aws is None


def test_the_name_of_a_stack_fits_into_those_of_aws() -> None:
    said = refusal({}, stack="production-europe")
    assert "named production-europe" in said
    assert "at most 13" in said


@pytest.mark.parametrize("account", [12345678901, "12345678901", "123456789O12", "1234-5678-9012"])
def test_a_wrong_account_is_refused(account: object) -> None:
    said = refusal({"account_id": account})
    assert f"aws.account_id: {account} is no AWS account" in said
    assert "12 digits in quotes" in said


@pytest.mark.parametrize("region", ["europe", "eu-central", "cn-north-1", "us-gov-west-1"])
def test_a_region_that_is_none_is_refused(region: str) -> None:
    assert f"aws.region: {region} is no region" in refusal({"region": region, "zones": ["a", "b", "c"]})


def test_a_zone_of_another_region_is_refused() -> None:
    said = refusal({"zones": ["eu-central-1a", "eu-central-1b", "eu-west-1c"]})
    assert "aws.zones: eu-west-1c is no zone of eu-central-1" in said


@pytest.mark.parametrize("zones", [["eu-central-1a"], ["eu-central-1a", "eu-central-1a"], []])
def test_one_zone_is_not_enough_for_anything(zones: list[str]) -> None:
    assert "give 2 to 6 different zones" in refusal({"zones": zones}, STAGE)


def test_two_zones_are_enough_without_redundancy() -> None:
    assert len(aws({"zones": STAGE["zones"][:2]}, STAGE).zones) == 2


def test_two_zones_are_not_enough_for_a_standby() -> None:
    said = refusal({"zones": PROD["zones"][:2]})
    assert "zones has 2, but redundant is true; give 3 zones, or redundant: false" in said


def test_a_cache_without_replica_is_not_redundant() -> None:
    assert "cache.replicas is 0, but redundant is true" in refusal({"cache": {"replicas": 0}})


def test_spot_nodes_alone_are_not_redundant() -> None:
    assert "nodes.general is missing, but redundant is true" in refusal({"nodes": {"general": None}})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"avoid": ["10.20.128.0/17"]}, "cidr 10.20.0.0/16 overlaps 10.20.128.0/17"),
        ({"api": {"private_cidrs": ["10.20.4.0/24"]}}, "cidr 10.20.0.0/16 overlaps 10.20.4.0/24"),
        ({"cidr": "172.20.0.0/16"}, "cidr 172.20.0.0/16 overlaps 172.20.0.0/16"),
        ({"cidr": "10.20.0.0/22"}, "give one from /16 to /21"),
        ({"cidr": "11.0.0.0/16"}, "cidr 11.0.0.0/16 is not private"),
        ({"cidr": "10.20.0.0"}, "give one from /16 to /21"),
        ({"cidr": "10.20.0.1/16"}, "aws.cidr: 10.20.0.1/16 has host bits set"),
    ],
)
def test_a_network_that_cannot_work_is_refused(changes: dict[str, Any], says: str) -> None:
    assert says in refusal(changes)


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "128.0.0.0/1"])
@pytest.mark.parametrize("way", ["public_cidrs", "private_cidrs"])
def test_the_clusters_api_is_not_for_everybody(way: str, cidr: str) -> None:
    said = refusal({"api": {way: [cidr]}})
    assert f"aws.api.{way}.0: {cidr} opens the cluster's API to everybody" in said


def test_an_api_that_nobody_reaches_is_refused() -> None:
    assert "pulumi up itself could not reach the API" in refusal({"api": {"private_cidrs": []}})


@pytest.mark.parametrize("admins", [[], ["deploy"], ["arn:aws:iam::123456789012:user/me"]])
def test_admins_are_roles_and_somebody(admins: list[str]) -> None:
    assert "aws.admins" in refusal({"admins": admins})


@pytest.mark.parametrize("wanted", ["m9z.xlarge", "xlarge", "m7i", "m7g.xlarge"])
def test_nodes_of_an_unknown_family_are_refused_with_those_there_are(wanted: str) -> None:
    said = refusal({"nodes": {"general": {"instance_types": [wanted]}}})
    assert f"aws.nodes.general.instance_types.0: {wanted} is no machine for this" in said
    assert "m7i" in said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"database": {"instance_class": "m7g.large"}}, "aws.database.instance_class: m7g.large is no machine"),
        ({"database": {"instance_class": "db.c7g.large"}}, "aws.database.instance_class: db.c7g.large is no machine"),
        ({"cache": {"node_type": "cache.m9z.large"}}, "aws.cache.node_type: cache.m9z.large is no machine"),
    ],
)
def test_stores_of_an_unknown_family_are_refused(changes: dict[str, Any], says: str) -> None:
    assert says in refusal(changes)


@pytest.mark.parametrize(
    "size", [{"min": 3, "max": 2}, {"min": 1, "desired": 5, "max": 4}, {"min": 2, "desired": 1, "max": 4}]
)
def test_a_size_is_ordered(size: dict[str, int]) -> None:
    said = refusal({"nodes": {"memory": {"size": {"desired": None, **size}}}})
    assert "aws.nodes.memory.size: min" in said
    assert "give min <= desired <= max" in said


def test_a_group_that_cannot_have_a_node_is_refused() -> None:
    assert "aws.nodes.gpu.size.max is 0" in refusal({"nodes": {"gpu": {"size": {"max": 0}}}})


def test_a_kind_of_node_that_does_not_exist_is_named_with_the_nearest() -> None:
    said = refusal({"nodes": {"gpus": PROD["nodes"]["gpu"]}})
    assert "aws.nodes.gpus is not a setting" in said
    assert "Did you mean gpu?" in said


def test_the_platform_has_nodes_to_run_on() -> None:
    nodes = {"general": None, "spot": None}
    assert "neither general nor spot is given" in refusal({"redundant": False, "nodes": nodes})


def test_gpus_are_shared_only_where_there_are_some() -> None:
    said = refusal({"nodes": {"general": {"gpu_sharing": "mig"}}})
    assert "aws.nodes.general.gpu_sharing is not a setting" in said


def test_gpu_nodes_have_gpus_and_others_have_none() -> None:
    assert "m7i.xlarge has no GPU" in refusal({"nodes": {"gpu": {"instance_types": ["m7i.xlarge"]}}})
    assert "g6.xlarge has GPUs" in refusal({"nodes": {"general": {"instance_types": ["g6.xlarge"]}}})


def test_only_gpus_that_can_be_sliced_are_sliced() -> None:
    assert "GPUs of g6.xlarge cannot be sliced" in refusal({"nodes": {"gpu": {"gpu_sharing": "mig"}}})


def test_slices_are_those_that_the_gpu_has() -> None:
    gpu = {"instance_types": ["p5.48xlarge"], "gpu_sharing": "mig"}
    chosen = aws({"nodes": {"gpu": gpu | {"mig_profile": "1g.10gb"}}}).nodes.gpu
    assert chosen is not None
    assert chosen.slices == "1g.10gb"
    said = refusal({"nodes": {"gpu": gpu | {"mig_profile": "1g.5gb"}}})
    assert "aws.nodes.gpu" in said
    assert "GPUs of p5.48xlarge are cut into one of 1g.10gb, 1g.20gb" in said
    assert "mig_profile is missing" in refusal({"nodes": {"gpu": gpu}})


def test_slices_without_mig_are_refused() -> None:
    said = refusal({"nodes": {"gpu": {"mig_profile": "1g.10gb"}}})
    assert "mig_profile is 1g.10gb, but gpu_sharing is time-slicing" in said


def test_spot_nodes_are_of_several_types() -> None:
    said = refusal({"nodes": {"spot": {"instance_types": ["m7i.xlarge"]}}})
    assert "aws.nodes.spot.instance_types: spot nodes of m7i.xlarge alone run out; give at least 3" in said


@pytest.mark.parametrize(
    ("hours", "says"),
    [
        ({"time_zone": "Berlin"}, "hours.time_zone: Berlin is no time zone"),
        ({"start": 20, "end": 7}, "hours: start is 20, end 7"),
        ({"days": "mon-fri"}, "hours.days: 'mon-fri' is not"),
        ({"size_outside": 2}, "hours.size_outside is 2, above size.min 0"),
    ],
)
def test_hours_that_do_not_exist_are_refused(hours: dict[str, Any], says: str) -> None:
    assert says in refusal({"nodes": {"spot": {"hours": hours}}}, STAGE)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"max_storage_gib": 100}, "max_storage_gib is 100; give at least a tenth more than storage_gib, 100"),
        ({"storage_gib": 10}, "database.storage_gib is 10: must be greater than or equal to 20"),
        ({"retention_days": 0}, "database.retention_days is 0: must be greater than or equal to 1"),
        ({"retention_days": 36}, "database.retention_days is 36: must be less than or equal to 35"),
    ],
)
def test_a_database_that_rds_would_refuse_is_refused(changes: dict[str, Any], says: str) -> None:
    assert says in refusal({"database": changes})


@pytest.mark.parametrize("days", [1, 6, 31, -1])
def test_what_is_deleted_can_be_brought_back_for_as_long_as_aws_allows(days: int) -> None:
    assert "give 7 to 30, or 0 for none" in refusal({"recovery_days": days})


@pytest.mark.parametrize("amount", [0, -5, "much"])
def test_a_budget_is_an_amount(amount: object) -> None:
    assert f"aws.monthly_usd is {amount!r}" in refusal({"monthly_usd": amount})


@pytest.mark.parametrize("emails", [[], ["ml-platform"]])
def test_somebody_hears_of_costs(emails: list[str]) -> None:
    assert "aws.emails" in refusal({"emails": emails})


@pytest.mark.parametrize(
    "domain", ["models", "https://models.example.com", "Models.example.com", "models.example.com/"]
)
def test_a_domain_is_a_host_name(domain: str) -> None:
    assert f"aws.domain: '{domain}' is not a host name" in refusal({"domain": domain})


def test_a_zone_of_route_53_is_named_by_its_id() -> None:
    assert "aws.zone_id: 'example.com' is not the id of a zone" in refusal({"zone_id": "example.com"})


@pytest.mark.parametrize("key", ["stack", "aws:cloudformation"])
def test_tags_that_others_set_are_refused(key: str) -> None:
    assert f"aws.tags: {key} is not yours to set" in refusal({"tags": {key: "x"}})


def test_an_app_that_wants_a_gpu_is_refused_where_there_are_none() -> None:
    wants = {"classifier": {"resources": {"gpu": 1}}}
    with pytest.raises(SettingsError) as refused:
        serving_specs(accepted({}, STAGE, "stage", apps=wants), "stage")
    assert "classifier/app.yaml: resources.gpu is 1, but the stack has no GPU nodes" in str(refused.value)
    assert "Give Pulumi.stage.yaml modelserve:aws.nodes.gpu" in str(refused.value)


def test_an_app_that_wants_a_gpu_gets_it_where_there_are_some() -> None:
    wants = {"classifier": {"resources": {"gpu": 1}}}
    specs = serving_specs(accepted({}, apps=wants), "prod")
    assert [spec.resources.gpu for spec in specs if spec.name == "classifier"] == [1]
