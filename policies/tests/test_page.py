"""The page that lists the rules, and the files that loosen them."""

from typing import Any

import pytest
from pulumi_policy import EnforcementLevel

from pack.page import PAGE, page, settings, stacks
from tests.judge import BY_NAME


def test_the_page_says_what_the_rules_say() -> None:
    assert PAGE.read_text() == page() + "\n", "write it again: cd policies && .venv/bin/python -m pack.page"


def test_prod_is_spared_nothing() -> None:
    # What its machines cost may be said there; that is no level, so that the rule stays mandatory.
    assert all(rule == "cost-under-ceiling" and set(said) <= {"prices"} for rule, said in settings("prod").items())


@pytest.mark.parametrize(
    ("stack", "rule", "said"), [(stack, *one) for stack in stacks() for one in settings(stack).items()]
)
def test_what_a_stack_is_spared_is_a_rule_and_a_level_or_a_setting_of_it(stack: str, rule: str, said: Any) -> None:
    schema = BY_NAME[rule].config_schema
    given = {"enforcementLevel": said} if isinstance(said, str) else dict(said)
    EnforcementLevel(given.pop("enforcementLevel", "mandatory"))
    assert set(given) <= set(schema.properties if schema else ())
