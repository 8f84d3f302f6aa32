"""What callers see of the gateway, what apps see of callers, and what operators see of both."""

import httpx
import psutil
import pytest

from infra.local.supervisord import Supervisord
from infra.local.xds import wait
from tests.local.gateway.running import Gateway, Make, app, problem

pytestmark = pytest.mark.local


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


def test_metrics_tell_versions_apart(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream(), canary=upstream(), weight=100))
    httpx.get(f"{gateway.url}/echo/")
    wanted = 'envoy_cluster_external_upstream_rq{envoy_response_code="200",envoy_cluster_name="echo@1.1.0"} 1'
    assert wanted in gateway.metrics()


def test_the_port_for_metrics_tells_nothing_else(gateway: Gateway) -> None:
    assert httpx.get(f"http://{gateway.made.outs['metrics']}/config_dump").status_code == 404
    assert httpx.post(f"http://{gateway.made.outs['metrics']}/ready").status_code == 404


def test_the_gateway_listens_to_this_machine_only(gateway: Gateway) -> None:
    listening = [
        link.laddr.ip for link in psutil.Process(gateway.pid()).net_connections() if link.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}


def test_a_gateway_that_dies_comes_back_with_its_routes(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream()))
    psutil.Process(gateway.pid()).kill()
    assert wait(lambda: gateway.answers("/echo/"), 20)
    assert gateway.state() == "APPLIED"


def test_a_gateway_that_is_stopped_is_told_so_and_mended(gateway: Gateway, upstream: Make) -> None:
    gateway.lead_to(app(upstream()))
    Supervisord(gateway.home).call("stopProcess", "gateway:gateway.0")
    assert gateway.read()["state"] == "STOPPED"
    assert gateway.state() == "UNREACHABLE"
    gateway.mend()
    assert gateway.answers("/echo/")
