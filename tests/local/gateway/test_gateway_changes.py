"""Changing what the gateway does while callers are at it: weights, copies, versions, and configurations gone wrong."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from infra.local.home import LocalError
from infra.local.xds import folder, swap, wait
from infra.serving.envoy import files, wire
from tests.local.gateway.running import Gateway, Make, app
from tests.local.gateway.upstream import answers, callers

pytestmark = pytest.mark.local


def test_the_canary_gets_its_share(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream(), canary=upstream(), weight=10))
    got = answers(f"{gateway.url}/echo/", 20_000)
    share = got.revisions["echo@1.1.0"] / got.count
    # Of 20,000 draws a point is 4.7 standard deviations: right shares fail this once in 400,000 runs.
    assert share == pytest.approx(0.1, abs=0.01)


def test_a_canary_without_a_share_answers_nobody(gateway: Gateway, upstream: Make) -> None:
    stable, canary = upstream(), upstream()
    gateway.lead_to(app(stable, canary=canary))
    assert set(answers(f"{gateway.url}/echo/", 200).revisions) == {"echo@1.0.0"}
    assert canary.heads == []


def test_the_mirror_gets_a_marked_copy_of_what_stable_answers(gateway: Gateway, upstream: Make) -> None:
    stable, canary = upstream(), upstream()
    gateway.lead_to(app(stable, canary=canary, mirror=100))
    got = answers(f"{gateway.url}/echo/", 200)
    assert set(got.revisions) == {"echo@1.0.0"}
    assert wait(lambda: len(canary.heads) == len(stable.heads), 10)
    assert all("x-modelserve-shadow: true" in head and "-shadow" in head for head in canary.heads)


def test_a_large_picture_reaches_the_mirror_whole(gateway: Gateway, upstream: Make) -> None:
    stable, canary = upstream(), upstream()
    gateway.lead_to(app(stable, canary=canary, mirror=100))
    assert httpx.post(f"{gateway.url}/echo/", content=bytes(5_000_000)).status_code == 200
    assert wait(lambda: len(canary.heads) == 1, 10)
    assert "content-length: 5000000" in canary.heads[0]


def test_a_change_of_weight_loses_no_request(gateway: Gateway, upstream: Make) -> None:
    stable, canary = upstream(), upstream()
    gateway.lead_to(app(stable))
    with callers(f"{gateway.url}/echo/") as got:
        for weight in (0, 5, 50, 100, 0):
            gateway.lead_to(app(stable, canary=canary, weight=weight))
            seen = got.count
            assert wait(lambda seen=seen: got.count > seen + 200, 20)
    assert set(got.statuses) == {200}
    assert set(got.revisions) == {"echo@1.0.0", "echo@1.1.0"}


def test_an_app_that_rolls_loses_no_request(gateway: Gateway, upstream: Make) -> None:
    instance = upstream()
    gateway.lead_to(app(instance))
    with callers(f"{gateway.url}/echo/") as got:
        for _ in range(10):
            successor = upstream()
            gateway.lead_to(app(successor))
            instance.leave()
            instance, seen = successor, got.count
            assert wait(lambda seen=seen: got.count > seen + 100, 20)
    assert set(got.statuses) == {200}


def test_a_promoted_canary_loses_no_request(gateway: Gateway, upstream: Make) -> None:
    stable, canary = upstream(), upstream()
    gateway.lead_to(app(stable, canary=canary, weight=50))
    promoted = app(canary)
    promoted["stable"]["version"] = "1.1.0"
    with callers(f"{gateway.url}/echo/") as got:
        assert wait(lambda: got.count > 200, 20)
        gateway.lead_to(promoted)
        stable.leave()
        seen = got.count
        assert wait(lambda: got.count > seen + 200, 20)
    assert set(got.statuses) == {200}


def test_a_request_in_flight_outlives_its_version(gateway: Gateway, upstream: Make) -> None:
    stable, canary = upstream(), upstream()
    gateway.lead_to(app(stable, canary=canary, weight=100))
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(httpx.get, f"{gateway.url}/echo/slow", timeout=30)
        assert wait(lambda: len(canary.heads) == 1, 10)
        change = threads.submit(gateway.lead_to, app(stable))
        assert wait(lambda: httpx.get(f"{gateway.url}/echo/").headers["x-modelserve-revision"] == "echo@1.0.0", 10)
        assert not change.done()
        canary.release()
        assert answer.result().status_code == 200
        change.result()
    assert "echo@1.1.0" not in gateway.metrics()


def test_a_change_of_weight_does_not_fill_the_quotas(gateway: Gateway, upstream: Make) -> None:
    limit = {"requests": 1, "window_s": 3600}
    stable, canary = upstream(), upstream()
    gateway.lead_to(app(stable, canary=canary, weight=0, rate_limit=limit))
    assert httpx.get(f"{gateway.url}/echo/").status_code == 200
    gateway.lead_to(app(stable, canary=canary, weight=100, rate_limit=limit))
    assert httpx.get(f"{gateway.url}/echo/").status_code == 429


def test_a_configuration_that_envoy_refuses_changes_nothing(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream()))
    before = swap(gateway.home).present()
    broken = wire.response({"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "nope": 1})
    with pytest.raises(LocalError, match="nope"):
        swap(gateway.home).apply({**before, wire.ROUTES: broken})
    assert swap(gateway.home).present() == before
    assert gateway.state() == "APPLIED"


def test_a_change_behind_its_back_is_seen_and_undone(gateway: Gateway, upstream: Make) -> None:
    wanted = app(upstream())
    gateway.lead_to(wanted)
    assert not gateway.drifted(wanted)
    swap(gateway.home).apply(files.traffic_files(folder(gateway.home), ()))
    assert gateway.state() == "DRIFTED"
    assert gateway.drifted(wanted)
    gateway.lead_to(wanted)
    assert httpx.get(f"{gateway.url}/echo/").status_code == 200
