"""How requests reach an app: from the gateway and from other apps."""

from typing import Any

import pytest

from tests.infra.serving.rendered import RUNS, Manifest, every, one, running, spec

CANARY = {"canary": {"version": "2.0.0", "weight": 10}}
COPIES = {"canary": {"version": "2.0.0", "mirror": 25}}
REVISION = "x-modelserve-revision"


def rules(way: str = "standard", route: str = "echo", **said: Any) -> list[Manifest]:
    return one(running(way, **said), "HTTPRoute", route)["spec"]["rules"]


def found(rule: Manifest, kind: str) -> list[Manifest]:
    key = {"URLRewrite": "urlRewrite"}.get(kind, kind[0].lower() + kind[1:])
    return [each[key] for each in rule.get("filters", []) if each["type"] == kind]


def shares(rule: Manifest) -> dict[str, int]:
    return {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}


def test_the_route_joins_the_gateway_under_its_host_name() -> None:
    route = one(spec(), "HTTPRoute", "echo")["spec"]
    (parent,) = route["parentRefs"]
    assert (parent["kind"], parent["namespace"], parent["name"]) == ("Gateway", "istio-ingress", "gateway")
    assert route["hostnames"] == ["apps.example"]


def test_a_prefix_is_taken_away_as_on_one_machine() -> None:
    forward = rules()[0]
    assert forward["matches"] == [{"path": {"type": "PathPrefix", "value": "/echo"}}]
    (rewrite,) = found(forward, "URLRewrite")
    assert rewrite["path"] == {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    assert found(forward, "RequestHeaderModifier")[0]["set"] == [{"name": "x-forwarded-prefix", "value": "/echo"}]


def test_a_prefix_that_the_app_knows_stays() -> None:
    kept, moved, *_ = rules(
        routes=[{"prefix": "/images/", "rewrite": "/images/"}, {"prefix": "/api/v1/images/", "rewrite": "/images/"}]
    )
    assert found(kept, "URLRewrite") == []
    assert found(moved, "URLRewrite")[0]["path"]["replacePrefixMatch"] == "/images"


def test_a_prefix_without_its_slash_is_redirected() -> None:
    redirect = rules()[1]
    assert redirect["matches"] == [{"path": {"type": "Exact", "value": "/echo"}}]
    told = found(redirect, "RequestRedirect")[0]
    assert (told["path"]["replaceFullPath"], told["statusCode"]) == ("/echo/", 307)


def test_an_app_at_the_root_redirects_nobody() -> None:
    (rule,) = rules(routes=[{"prefix": "/"}])
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert found(rule, "URLRewrite") == found(rule, "RequestHeaderModifier") == []


@pytest.mark.parametrize("said", [{"public": False}, {"routes": []}], ids=["not public", "without routes"])
def test_the_gateway_knows_no_internal_app(said: dict[str, Any]) -> None:
    assert [route["metadata"]["name"] for route in every(spec(**said), "HTTPRoute")] == ["echo-internal"]


@pytest.mark.parametrize(
    ("way", "service", "namespace", "port"),
    [
        ("standard", "echo-stable-predictor", "serving", 80),
        ("deployment", "echo-stable", "serving", 80),
        ("ray", "echo-stable-serve-svc", "serving", 8000),
        ("knative", "knative-local-gateway", "istio-ingress", 80),
    ],
)
def test_requests_go_to_what_runs(way: str, service: str, namespace: str, port: int) -> None:
    (backend,) = rules(way)[0]["backendRefs"]
    assert (backend["name"], backend["namespace"], backend["port"]) == (service, namespace, port)


def test_knative_is_told_by_host_name_whom_a_request_is_for() -> None:
    (backend,) = rules("knative")[0]["backendRefs"]
    host = {"name": "Host", "value": "echo-stable-predictor.serving.svc.cluster.local"}
    assert found(backend, "RequestHeaderModifier")[0]["set"] == [host]


def test_nobody_else_has_a_host_name_changed() -> None:
    for way in RUNS.keys() - {"knative"}:
        (backend,) = rules(way)[0]["backendRefs"]
        assert found(backend, "RequestHeaderModifier") == []


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (0, {"echo-stable-predictor": 100}),
        (10, {"echo-stable-predictor": 90, "echo-canary-predictor": 10}),
        (100, {"echo-canary-predictor": 100}),
    ],
)
def test_a_canary_gets_its_share(weight: int, expected: dict[str, int]) -> None:
    for rule in rules(traffic={"canary": {"version": "2.0.0", "weight": weight}})[:1]:
        assert shares(rule) == expected


def test_a_canary_of_what_scales_to_zero_gets_its_share_directly() -> None:
    assert shares(rules("knative", traffic=CANARY)[0]) == {"knative-local-gateway": 90, "echo-canary-predictor": 10}


@pytest.mark.parametrize("way", ["knative", "standard", "deployment", "ray"])
def test_a_canary_gets_copies_and_answers_nobody(way: str) -> None:
    forward = rules(way, traffic=COPIES)[0]
    (mirror,) = found(forward, "RequestMirror")
    assert mirror["percent"] == 25
    assert mirror["backendRef"]["name"].startswith("echo-canary")
    assert not [name for name in shares(forward) if "canary" in name]


def test_every_answer_names_the_version_that_gave_it() -> None:
    told = [found(backend, "ResponseHeaderModifier")[0]["set"] for backend in rules(traffic=CANARY)[0]["backendRefs"]]
    assert told == [[{"name": REVISION, "value": "echo@1.0.0"}], [{"name": REVISION, "value": "echo@2.0.0"}]]


@pytest.mark.parametrize(
    ("timeout_s", "written"), [(30, "30s"), (0.001, "1ms"), (1.5, "1s500ms"), (86_400, "86400s"), (0.1, "100ms")]
)
def test_a_request_may_take_as_long_as_the_policy_says(timeout_s: float, written: str) -> None:
    assert rules(traffic={"timeout_s": timeout_s})[0]["timeouts"] == {"request": written}


def test_other_apps_find_it_always_at_the_same_name() -> None:
    for way in RUNS:
        assert one(running(way), "Service", "echo")["spec"]["ports"][0]["port"] == 80


@pytest.mark.parametrize("traffic", [CANARY, COPIES], ids=["share", "copies"])
def test_other_apps_meet_the_canary_too(traffic: dict[str, Any]) -> None:
    asked = spec(traffic=traffic)
    inside = one(asked, "HTTPRoute", "echo-internal")["spec"]
    assert inside["parentRefs"] == [{"group": "", "kind": "Service", "name": "echo", "port": 80}]
    (rule,) = inside["rules"]
    outside = one(asked, "HTTPRoute", "echo")["spec"]["rules"][0]
    assert rule["backendRefs"] == outside["backendRefs"]
    assert found(rule, "RequestMirror") == found(outside, "RequestMirror")
    assert "matches" not in rule


def test_a_service_that_may_have_no_pods_is_not_waited_for() -> None:
    assert one(running("knative"), "Service")["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}


def test_no_service_is_reached_from_outside() -> None:
    for way in RUNS:
        assert {service["spec"]["type"] for service in every(running(way), "Service")} == {"ClusterIP"}
