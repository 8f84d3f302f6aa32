"""How a network's addresses are divided, and which networks are refused."""

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.aws.addresses import plan


def test_pods_of_each_zone_get_an_eighth() -> None:
    assert [str(block) for block in plan("10.20.0.0/16").private[:3]] == [
        "10.20.0.0/19",
        "10.20.32.0/19",
        "10.20.64.0/19",
    ]


@given(st.integers(16, 21), st.integers(0, 255))
def test_no_two_subnets_overlap_and_all_lie_inside(prefix: int, second: int) -> None:
    vpc = IPv4Network((f"10.{second}.0.0", prefix))
    divided = plan(str(vpc))
    blocks = [*divided.public, *divided.private, *divided.intra]
    assert len(blocks) == 18
    assert all(block.subnet_of(vpc) for block in blocks)
    assert not any(a.overlaps(b) for i, a in enumerate(blocks) for b in blocks[i + 1 :])


def test_the_smallest_network_still_holds_load_balancers() -> None:
    assert all(block.prefixlen <= 27 for block in plan("10.0.0.0/21").public)


@pytest.mark.parametrize(
    ("cidr", "says"),
    [
        ("10.0.0.0/22", "give one from /16 to /21"),
        ("10.0.0.0/15", "give one from /16 to /21"),
        ("8.8.0.0/16", "is not private"),
        ("172.20.0.0/16", "overlaps 172.20.0.0/16"),
        ("172.17.0.0/16", "overlaps 172.17.0.0/16"),
        ("10.0.0.1/16", "has host bits set"),
    ],
)
def test_a_range_that_cannot_work_is_refused(cidr: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        plan(cidr)


def test_a_range_that_touches_a_peer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"overlaps 10.20.30.0/24"):
        plan("10.20.0.0/16", avoid=["10.20.30.0/24"])
