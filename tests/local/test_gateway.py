"""The gateway as callers see it: the real Envoy, tiny apps behind it."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from infra.local.home import LocalError
from infra.local.xds import folder, swap, wait
from infra.serving.envoy import files
from tests.local.gateway import Gateway, app
from tests.local.upstream import Upstream, answers, callers

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("gw"))
    yield gateway
    gateway.end()


@pytest.fixture
def upstream() -> Iterator[Callable[[], Upstream]]:
    made: list[Upstream] = []

    def make() -> Upstream:
        made.append(Upstream())
        return made[-1]

    yield make
    for each in made:
        each.release()
        each.kill()


Make = Callable[[], Upstream]


def problem(answer: httpx.Response) -> dict[str, object]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.json()


def test_the_index_says_what_there_is(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream(), canary=upstream(), weight=20))
    told = httpx.get(gateway.url).json()["apps"]
    assert [(each["name"], each["paths"], each["docs"]) for each in told] == [("echo", ["/echo/"], "/echo/docs")]
    assert {each["version"]: each["weight"] for each in told[0]["versions"]} == {"1.0.0": 80, "1.1.0": 20}


def test_an_unknown_path_is_told_where_to_look(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream()))
    answer = httpx.get(f"{gateway.url}/nowhere")
    assert answer.status_code == 404
    assert problem(answer)["paths"] == ["/echo/"]


def test_the_app_sees_its_own_path(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream()))
    seen = httpx.get(f"{gateway.url}/echo/predict?top=3").json()
    assert seen["target"] == "/predict?top=3"
    assert seen["headers"]["x-forwarded-prefix"] == "/echo"


def test_a_missing_slash_is_put_right(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream()))
    assert httpx.post(f"{gateway.url}/echo?top=3").headers["location"] == f"{gateway.url}/echo/?top=3"


def test_callers_learn_which_version_answered(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream()))
    assert httpx.get(f"{gateway.url}/echo/").headers["x-modelserve-revision"] == "echo@1.0.0"


def test_callers_cannot_pass_for_the_gateway(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream()))
    false = {
        "x-modelserve-shadow": "true",
        "x-envoy-max-retries": "9",
        "x-forwarded-prefix": "/x",
        "x-request-id": "me",
    }
    seen = httpx.get(f"{gateway.url}/echo/", headers=false).json()["headers"]
    assert not seen.keys() & {"x-modelserve-shadow", "x-envoy-max-retries"}
    assert seen["x-forwarded-prefix"] == "/echo"
    assert seen["x-request-id"] != "me"


def test_a_trace_goes_on_untouched_and_into_the_log(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream()))
    trace = "0af7651916cd43dd8448eb211c80319c"
    sent = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    assert httpx.get(f"{gateway.url}/echo/", headers=sent).json()["headers"]["traceparent"] == sent["traceparent"]
    assert wait(lambda: f'"trace_id":"{trace}"' in (gateway.home.log / "gateway.log").read_text(), 10)


def test_the_canary_gets_its_share(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream(), canary=upstream(), weight=10))
    got = answers(f"{gateway.url}/echo/", 20_000)
    share = got.revisions["echo@1.1.0"] / got.count
    # Five standard deviations of 20,000 draws are 1.06 points.
    assert share == pytest.approx(0.1, abs=0.0106)


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


def test_what_the_canary_answers_is_not_copied_to_it(gateway: Gateway, upstream: Make) -> None:
    stable, canary = upstream(), upstream()
    gateway.lead_to(app(stable, canary=canary, weight=50, mirror=50))
    got = answers(f"{gateway.url}/echo/", 4_000)
    copies = len(stable.heads) / 2
    assert wait(lambda: len(canary.heads) >= got.revisions["echo@1.1.0"] + copies * 0.85, 10)
    marked = sum("x-modelserve-shadow" in head for head in canary.heads)
    # Half of stable's 2,000 requests; 160 are five standard deviations.
    assert marked == pytest.approx(copies, abs=160)


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
    gateway.lead_to(app(upstream(), rate_limit={"requests": 3, "window_s": 3600}))
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


def test_a_change_of_weight_does_not_fill_the_quotas(gateway: Gateway, upstream: Make) -> None:
    limit = {"requests": 1, "window_s": 3600}
    stable, canary = upstream(), upstream()
    gateway.lead_to(app(stable, canary=canary, weight=0, rate_limit=limit))
    assert httpx.get(f"{gateway.url}/echo/").status_code == 200
    gateway.lead_to(app(stable, canary=canary, weight=100, rate_limit=limit))
    assert httpx.get(f"{gateway.url}/echo/").status_code == 429


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


def test_a_configuration_that_envoy_refuses_changes_nothing(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream()))
    before = swap(gateway.home).present()
    broken = files.response({"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "nope": 1})
    with pytest.raises(LocalError, match="nope"):
        swap(gateway.home).apply({**before, files.ROUTES: broken})
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


def test_metrics_tell_versions_apart(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream(), canary=upstream(), weight=100))
    httpx.get(f"{gateway.url}/echo/")
    wanted = 'envoy_cluster_external_upstream_rq{envoy_response_code="200",envoy_cluster_name="echo@1.1.0"} 1'
    assert wanted in gateway.metrics()


def test_the_port_for_metrics_tells_nothing_else(gateway: Gateway) -> None:
    assert httpx.get(f"http://{gateway.made.outs['metrics']}/config_dump").status_code == 404
    assert httpx.post(f"http://{gateway.made.outs['metrics']}/ready").status_code == 404


def test_the_gateway_listens_to_this_machine_only(gateway: Gateway) -> None:
    pid = gateway.made.outs["pids"][0]
    listening = [link.laddr.ip for link in psutil.Process(pid).net_connections() if link.status == psutil.CONN_LISTEN]
    assert set(listening) == {"127.0.0.1"}
