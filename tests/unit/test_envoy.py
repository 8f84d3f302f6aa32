"""What the gateway is told, policy by policy."""

import json
from pathlib import PurePath
from typing import Any

import pytest
from pydantic import ValidationError

from infra.serving.envoy import clusters, files, quota, routes, wire
from infra.serving.envoy.app import App, Revision
from infra.serving.envoy.bootstrap import bootstrap
from infra.serving.index import index
from infra.serving.spec import Route
from infra.serving.traffic import Canary, OutlierEjection, RateLimit, Retries, TrafficPolicy

Json = dict[str, Any]
CANARY = Revision(version="1.1.0", endpoints=("127.0.0.1:20002",))


def app(name: str = "echo", prefixes: tuple[str, ...] = ("/echo/",), rewrite: str = "/", **policy: Any) -> App:
    return App(
        name=name,
        summary="Answers.",
        routes=tuple(Route(prefix=prefix, rewrite=rewrite) for prefix in prefixes),
        traffic=TrafficPolicy(**policy),
        stable=Revision(version="1.0.0", endpoints=("127.0.0.1:20000", "127.0.0.1:20001")),
        canary=CANARY if "canary" in policy else None,
    )


def all_routes(*apps: App) -> list[Json]:
    return routes.routes(apps)["virtual_hosts"][0]["routes"]


def forwards(*apps: App) -> list[Json]:
    return [route for route in all_routes(*apps) if "route" in route]


def cluster(one: App) -> Json:
    return clusters.clusters((one,), "/gateway/endpoints")[0]


def header(added: list[Json], name: str) -> str:
    return next(each["header"]["value"] for each in added if each["header"]["key"] == name)


def test_the_longest_prefix_comes_first() -> None:
    told = forwards(app("short", ("/a/",)), app("long", ("/a/b/c/",)), app("middle", ("/a/b/",)))
    assert [route["match"]["prefix"] for route in told] == ["/a/b/c/", "/a/b/", "/a/"]


def test_two_apps_cannot_have_one_prefix() -> None:
    with pytest.raises(ValueError, match="one and two both have the route /a/"):
        all_routes(app("one", ("/a/",)), app("two", ("/a/",)))


def test_a_prefix_is_rewritten_as_the_app_wants_it() -> None:
    assert forwards(app(rewrite="/images/"))[0]["route"]["prefix_rewrite"] == "/images/"


def test_a_path_without_its_slash_is_redirected() -> None:
    redirect = next(route for route in all_routes(app()) if "redirect" in route)
    assert redirect["match"] == {"path": "/echo"}
    assert redirect["redirect"]["path_redirect"] == "/echo/"


def test_an_app_at_the_root_leaves_no_room_for_the_index() -> None:
    first = all_routes(app(prefixes=("/",)))[0]
    assert first["match"] == {"prefix": "/"}
    assert first["route"]["cluster"] == "echo@1.0.0"


def test_the_index_and_the_404_come_last() -> None:
    answers = [route["direct_response"]["status"] for route in all_routes(app())[-2:]]
    assert answers == [200, 404]


def test_docs_are_only_promised_where_the_app_has_them() -> None:
    shown = index([(app("own", ("/own/",)), "1"), (app("moved", ("/moved/",), rewrite="/moved/"), "1")])["apps"]
    assert {each["name"]: each["docs"] for each in shown} == {"own": "/own/docs", "moved": None}


def test_an_internal_app_is_not_in_the_index() -> None:
    listed = all_routes(app(prefixes=()))[-2]["direct_response"]["body"]["inline_string"]
    assert json.loads(listed) == {"apps": []}


def test_the_canary_takes_its_share_and_stable_the_rest() -> None:
    canary, stable = forwards(app(canary=Canary(version="1.1.0", weight=10)))
    assert canary["match"]["runtime_fraction"]["default_value"] == {"numerator": 10, "denominator": "HUNDRED"}
    assert (canary["route"]["cluster"], stable["route"]["cluster"]) == ("echo@1.1.0", "echo@1.0.0")
    assert "runtime_fraction" not in stable["match"]


@pytest.mark.parametrize(("weight", "version"), [(0, "echo@1.0.0"), (100, "echo@1.1.0")])
def test_a_version_without_a_share_has_no_route(weight: int, version: str) -> None:
    told = forwards(app(canary=Canary(version="1.1.0", weight=weight)))
    assert [route["route"]["cluster"] for route in told] == [version]


def test_a_copy_is_marked_and_goes_to_the_canary() -> None:
    (stable,) = forwards(app(canary=Canary(version="1.1.0", mirror=20)))
    copy = stable["route"]["request_mirror_policies"][0]
    assert copy["cluster"] == "echo@1.1.0"
    assert copy["runtime_fraction"]["default_value"] == {"numerator": 20, "denominator": "HUNDRED"}
    assert header([each["append"] for each in copy["request_headers_mutations"]], "x-modelserve-shadow") == "true"


def test_a_canary_gets_copies_or_a_share_but_not_both() -> None:
    with pytest.raises(ValidationError, match="copies first"):
        Canary(version="1.1.0", weight=10, mirror=20)


def test_every_answer_names_the_version_that_gave_it() -> None:
    told = forwards(app(canary=Canary(version="1.1.0", weight=10)))
    named = [header(route["response_headers_to_add"], "x-modelserve-revision") for route in told]
    assert named == ["echo@1.1.0", "echo@1.0.0"]


def test_nothing_is_retried_that_may_have_reached_the_app() -> None:
    policy = forwards(app(retries=Retries(attempts=3)))[0]["route"]["retry_policy"]
    assert policy["retry_on"] == "connect-failure,refused-stream,reset-before-request"
    assert policy["num_retries"] == 3
    assert "per_try_timeout" not in policy


def test_a_time_out_for_a_try_lets_it_be_repeated() -> None:
    policy = forwards(app(retries=Retries(per_try_timeout_s=1.5)))[0]["route"]["retry_policy"]
    assert policy["per_try_timeout"] == "1.500s"
    assert "reset" in policy["retry_on"].split(",")


def test_a_retry_goes_to_another_instance() -> None:
    policy = forwards(app())[0]["route"]["retry_policy"]
    assert policy["retry_host_predicate"][0]["name"] == "envoy.retry_host_predicates.previous_hosts"


def test_the_whole_request_has_the_policys_time_out() -> None:
    assert forwards(app(timeout_s=7))[0]["route"]["timeout"] == "7.000s"


def test_a_body_may_be_as_large_as_can_be_kept_for_a_retry() -> None:
    route = forwards(app(max_body_bytes=1234))[0]
    assert route["typed_per_filter_config"][wire.BODY_FILTER]["buffer"] == {"max_request_bytes": 1234}
    assert route["request_body_buffer_limit"] == 1234


def test_consecutive_failures_eject_for_as_long_as_the_policy_says() -> None:
    policy = OutlierEjection(consecutive_errors=3, ejection_s=9, max_percent=40)
    told = cluster(app(outlier_ejection=policy))["outlier_detection"]
    assert (told["consecutive_gateway_failure"], told["base_ejection_time"]) == (3, "9.000s")
    assert told["max_ejection_percent"] == 40
    assert told["enforcing_consecutive_gateway_failure"] == 100
    assert told["enforcing_consecutive_5xx"] == told["enforcing_success_rate"] == 0


def test_when_all_instances_are_out_all_are_tried() -> None:
    assert cluster(app())["common_lb_config"]["healthy_panic_threshold"]["value"] == 1


def test_the_gateway_closes_idle_connections_before_the_app_does() -> None:
    uvicorns_default_s = 5
    assert uvicorns_default_s > clusters.KEEP_ALIVE_S
    options = cluster(app())["typed_extension_protocol_options"].popitem()[1]
    assert options["common_http_protocol_options"]["idle_timeout"] == "4.000s"


def test_an_endpoint_change_touches_only_the_endpoints() -> None:
    before = app()
    moved = before.model_copy(update={"stable": Revision(version="1.0.0", endpoints=("127.0.0.1:20009",))})
    old, new = (files.traffic_files(PurePath("/gateway"), (each,)) for each in (before, moved))
    assert [name for name in old if old[name] != new[name]] == ["endpoints/echo@1.0.0.json"]


def test_a_weight_change_touches_only_the_routes() -> None:
    old, new = (
        files.traffic_files(PurePath("/gateway"), (app(canary=Canary(version="1.1.0", weight=weight)),))
        for weight in (10, 20)
    )
    assert [name for name in old if old[name] != new[name]] == ["routes.json"]


def test_equal_content_has_equal_versions_and_other_content_another() -> None:
    one, same, other = (wire.response({"name": name}) for name in ("a", "a", "b"))
    assert wire.version(one) == wire.version(same) != wire.version(other)


def test_callers_without_a_key_are_counted_by_address() -> None:
    told = quota.quota((app(rate_limit=RateLimit(requests=5, window_s=10, key="api-key")),))
    keys = [[entry["key"] for entry in each["entries"]] for each in told["descriptors"]]
    assert keys == [["app", "api-key"], ["app", "anonymous", "remote_address"]]


def test_an_app_has_one_quota_for_all_its_routes_and_versions() -> None:
    limited = app(
        prefixes=("/a/", "/b/"),
        rate_limit=RateLimit(requests=5, key="api-key"),
        canary=Canary(version="1.1.0", weight=50),
    )
    told = [route["metadata"]["filter_metadata"]["modelserve"] for route in forwards(limited)]
    assert len(told) == 4
    assert {each["quota-by-api-key"] for each in told} == {"echo"}


@pytest.mark.parametrize(("requests", "window_s", "wait_s"), [(1, 60, 60), (7, 60, 9), (600, 60, 1)])
def test_a_caller_is_told_to_wait_until_it_has_a_request_again(requests: int, window_s: int, wait_s: int) -> None:
    assert quota.retry_after_s(RateLimit(requests=requests, window_s=window_s)) == wait_s


def test_only_limited_apps_are_counted() -> None:
    assert wire.QUOTA_FILTER not in forwards(app())[0]["typed_per_filter_config"]
    assert (
        wire.QUOTA_FILTER
        in forwards(app(rate_limit=RateLimit(requests=5, key="api-key")))[0]["typed_per_filter_config"]
    )


def test_everything_is_bound_to_the_loopback_interface() -> None:
    told = bootstrap(PurePath("/gateway"), PurePath("/gateway.sock"), 8080, 8081)
    bound = [each["address"]["socket_address"]["address"] for each in told["static_resources"]["listeners"]]
    assert bound == ["127.0.0.1", "127.0.0.1"]


def test_the_admin_interface_is_the_owners_alone_and_cannot_end_envoy() -> None:
    admin = bootstrap(PurePath("/gateway"), PurePath("/gateway.sock"), 8080, 8081)["admin"]
    assert admin["address"]["pipe"] == {"path": "/gateway.sock", "mode": 0o600}
    assert not [path for path in admin["allow_paths"] if "/quitquitquit".startswith(path["prefix"])]


def test_connections_and_memory_have_a_limit() -> None:
    told = bootstrap(PurePath("/gateway"), PurePath("/gateway.sock"), 8080, 8081)["overload_manager"]
    monitors = {each["name"].rpartition(".")[2]: each["typed_config"] for each in told["resource_monitors"]}
    assert monitors["global_downstream_max_connections"]["max_active_downstream_connections"] == 16_384
    assert monitors["fixed_heap"]["max_heap_size_bytes"] == 512 * 1024 * 1024


def test_the_log_has_no_query_and_no_key() -> None:
    told = json.dumps(bootstrap(PurePath("/gateway"), PurePath("/gateway.sock"), 8080, 8081))
    assert "%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%" in told
    assert "x-api-key" not in told.lower()


@pytest.mark.parametrize("broken", ["a canary without instances", "instances without a canary", "one version twice"])
def test_a_canary_is_complete_or_refused(broken: str) -> None:
    policy = TrafficPolicy(canary=Canary(version="1.1.0"))
    told: Json = {"name": "echo", "summary": "", "routes": (), "stable": app().stable, "traffic": policy}
    if broken == "instances without a canary":
        told |= {"canary": CANARY, "traffic": TrafficPolicy()}
    if broken == "one version twice":
        told |= {"canary": app().stable}
    with pytest.raises(ValidationError, match="canary"):
        App(**told)
