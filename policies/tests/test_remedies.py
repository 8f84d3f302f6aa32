"""What the pack sets right by itself, and what it leaves as it is."""

from typing import Any

import pytest
from pulumi_policy import ResourceValidationPolicy
from pulumi_policy.deserialize import SPECIAL_SECRET_SIG, SPECIAL_SIG_KEY, serialize_properties
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from tests.judge import BY_NAME, arguments, made

TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
OURS = {"project": "modelserve", "stack": "prod", "managed-by": "pulumi"}


def remedied(rule: str, **props: Any) -> Any:
    """What the engine makes instead; None where the rule changes nothing."""
    policy = BY_NAME[rule]
    assert isinstance(policy, ResourceValidationPolicy)
    changed: Any = policy.remediate(arguments(made(TEMPLATE, **props), {}, keep_secrets=True))
    return None if changed is None else serialize_properties(changed)


def test_a_machine_that_says_nothing_wants_a_token() -> None:
    assert remedied("metadata-wants-token") == {"metadataOptions": {"httpTokens": "required"}}


def test_what_else_is_said_of_metadata_stays() -> None:
    given = {"httpTokens": "optional", "httpPutResponseHopLimit": 1.0}
    assert remedied("metadata-wants-token", metadataOptions=given) == {
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1.0}
    }


@pytest.mark.parametrize(
    "options", [{"httpTokens": "required"}, UNKNOWN_STRING_VALUE, {"httpTokens": UNKNOWN_STRING_VALUE}]
)
def test_a_machine_that_wants_one_or_may_do_so_is_left_alone(options: Any) -> None:
    assert remedied("metadata-wants-token", metadataOptions=options) is None


def test_tags_that_are_missing_are_added_to_those_that_are_there() -> None:
    assert remedied("origin-tagged", tags={"Name": "n", "stack": "mine"}) == {
        "tags": {"Name": "n", **OURS, "stack": "mine"}
    }


def test_tags_that_are_not_known_yet_are_left_alone() -> None:
    assert remedied("origin-tagged", tags=UNKNOWN_STRING_VALUE) is None


def test_secrets_stay_secret_and_unknown_values_unknown() -> None:
    secret = {SPECIAL_SIG_KEY: SPECIAL_SECRET_SIG, "value": "hunter2"}
    kept = {"userData": secret, "imageId": UNKNOWN_STRING_VALUE, "blockDeviceMappings": [{"ebs": UNKNOWN_STRING_VALUE}]}
    assert remedied("origin-tagged", **kept) == {**kept, "tags": OURS}
