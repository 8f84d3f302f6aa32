"""What the gateway does about too much, too slow, and nobody there."""

import socket

import httpx
import pytest

from infra.local.xds import wait
from tests.local.gateway.running import Gateway, Make, app, problem
from tests.local.gateway.upstream import answers

pytestmark = pytest.mark.local


def test_a_dead_app_is_a_503_that_says_when_to_come_back(gateway: Gateway, upstream: Make) -> None:
    instance = upstream()
    gateway.lead_to(app(instance))
    instance.kill()
    answer = httpx.get(f"{gateway.url}/echo/")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert problem(answer)["instance"] == answer.headers["x-request-id"]


def test_an_app_answers_as_soon_as_it_is_back(gateway: Gateway, upstream: Make) -> None:
    instance = upstream()
    gateway.lead_to(app(instance))
    instance.kill()
    assert set(answers(f"{gateway.url}/echo/", 50).statuses) == {503}
    instance.revive()
    assert httpx.get(f"{gateway.url}/echo/").status_code == 200


def test_a_dead_instance_costs_no_request_while_another_lives(gateway: Gateway, upstream: Make) -> None:
    dead, alive = upstream(), upstream()
    gateway.lead_to(app(dead, alive))
    dead.kill()
    assert set(answers(f"{gateway.url}/echo/", 500).statuses) == {200}


def test_an_upload_is_kept_for_another_instance(gateway: Gateway, upstream: Make) -> None:
    dead, alive = upstream(), upstream()
    gateway.lead_to(app(dead, alive, outlier_ejection={"consecutive_errors": 1000}))
    dead.kill()
    tried = [httpx.post(f"{gateway.url}/echo/", content=bytes(2_000_000)).status_code for _ in range(20)]
    assert set(tried) == {200}


def test_an_instance_that_keeps_failing_is_left_alone(gateway: Gateway, upstream: Make) -> None:
    failing, well = upstream(), upstream()
    failing.shed = True
    gateway.lead_to(app(failing, well, outlier_ejection={"consecutive_errors": 3, "ejection_s": 60}))
    assert wait(lambda: httpx.get(f"{gateway.url}/echo/").status_code == 503, 20)
    assert wait(lambda: set(answers(f"{gateway.url}/echo/", 20, clients=1).statuses) == {200}, 20)


def test_what_the_app_sheds_is_not_tried_again(gateway: Gateway, upstream: Make) -> None:
    instance = upstream()
    gateway.lead_to(app(instance))
    answer = httpx.post(f"{gateway.url}/echo/shed")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert len(instance.heads) == 1


def test_an_app_that_takes_too_long_is_a_504(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream(), timeout_s=0.2))
    answer = httpx.get(f"{gateway.url}/echo/slow")
    assert answer.status_code == 504
    assert problem(answer)["reason"] == "response_timeout"


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_body_beyond_the_limit_never_reaches_the_app(gateway: Gateway, upstream: Make, declared: bool) -> None:
    instance = upstream()
    gateway.lead_to(app(instance, max_body_bytes=1000))
    body = bytes(1001)
    answer = httpx.post(f"{gateway.url}/echo/", content=body if declared else iter([body]))
    assert answer.status_code == 413
    assert problem(answer)["title"] == "Request Entity Too Large"
    assert httpx.post(f"{gateway.url}/echo/", content=bytes(1000)).status_code == 200
    assert len(instance.heads) == 1


def test_a_quota_is_each_callers_own_and_counts_down(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream(), rate_limit={"requests": 3, "window_s": 3600, "key": "api-key"}))
    first = [httpx.get(f"{gateway.url}/echo/", headers={"x-api-key": "a"}) for _ in range(4)]
    assert [answer.status_code for answer in first] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"][:12] for answer in first] == [
        f'"caller";r={left}'[:12] for left in (2, 1, 0, 0)
    ]
    assert first[0].headers["ratelimit-policy"] == '"caller";q=3;w=3600'
    assert httpx.get(f"{gateway.url}/echo/", headers={"x-api-key": "b"}).status_code == 200


def test_a_quota_that_is_used_up_says_when_to_come_back(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream(), rate_limit={"requests": 1, "window_s": 1800, "key": "address"}))
    httpx.get(f"{gateway.url}/echo/")
    answer = httpx.get(f"{gateway.url}/echo/", headers={"x-api-key": "another"})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1800"
    assert "quota" in str(problem(answer)["detail"])


def test_without_a_limit_nothing_is_said_of_limits(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream()))
    assert not [name for name in httpx.get(f"{gateway.url}/echo/").headers if "ratelimit" in name]


def test_headers_that_never_end_are_cut_off(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as link:
        link.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nx: ")
        assert link.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_oversized_headers_are_a_problem_too(gateway: Gateway) -> None:
    answer = httpx.get(gateway.url, headers={"x-large": "x" * 40_000})
    assert answer.status_code == 431
    problem(answer)
