"""The prices that stacks are held to: where each is from, and that the example stacks run nothing without one."""

from collections import Counter
from datetime import date
from typing import Any

import pytest
import yaml

from pack.page import PACK
from pack.prices import groups, listed
from rules.cost import NAMED


def example(stack: str) -> dict[str, Any]:
    return yaml.safe_load((PACK.parent / f"Pulumi.{stack}.yaml").read_text())["config"]["modelserve:aws"]


@pytest.mark.parametrize("group", groups(), ids=lambda group: f"{group['region']} {group['date']}")
def test_says_where_and_when_it_was_read(group: dict[str, Any]) -> None:
    assert group["source"]
    assert date.fromisoformat(group["date"]) <= date.today()
    assert all(usd > 0 for usd in group["usd_an_hour"].values())


def test_a_kind_has_one_price_in_a_region() -> None:
    given = Counter((group["region"], kind) for group in groups() for kind in group["usd_an_hour"])
    assert [at for at, times in given.items() if times > 1] == []


@pytest.mark.parametrize("stack", ["stage", "prod"])
def test_whatever_an_example_stack_may_run_has_a_price(stack: str) -> None:
    told = example(stack)
    kinds = {kind for nodes in told["nodes"].values() for kind in nodes["instance_types"]}
    kinds |= {told["database"]["instance_class"], told["cache"]["node_type"], *NAMED.values()}
    assert {kind for kind in kinds if (told["region"], kind) not in listed()} == set()
