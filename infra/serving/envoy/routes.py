"""Routes: paths to apps, the canary's share, mirroring, retries, time-outs, the index, and 404 for other paths.

**Canary and mirror.** A canary gets copies or a share, never both at once. Its share is a route of its own before
stable's, taken by that share of requests.

**Retries** happen only when the request surely did not reach the app: connecting failed, the app refused the stream,
or the connection broke before the request was written. Predictions could be repeated, uploads could not, and the
gateway cannot tell. A 503 that the app itself answers is not tried again: with ``Retry-After`` it says that the app
sheds load, which retries would only add to. With ``per_try_timeout_s`` the policy says that its requests may be
repeated, so then every try without an answer is repeated. A body is kept for a retry or a copy as long as it lasts,
up to ``max_body_bytes``.
"""

import json
from itertools import chain, pairwise

from infra.serving.envoy.app import App, Revision
from infra.serving.envoy.auth import requirement
from infra.serving.envoy.quota import retry_after_s
from infra.serving.envoy.wire import AUTH_FILTER, BODY_FILTER, HEADERS_FILTER, NAME, QUOTA_FILTER, Json, seconds, typed
from infra.serving.index import index
from infra.serving.spec import Route
from infra.serving.traffic import Retries

REVISION_HEADER = "x-modelserve-revision"
SHADOW_HEADER = "x-modelserve-shadow"


def routes(apps: tuple[App, ...]) -> Json:
    """The route configuration: longest prefix first, the index, and 404 for the rest.

    Raises:
        ValueError: two apps have the same prefix.
    """
    paths = sorted(((app, route) for app in apps for route in app.routes), key=lambda it: -len(it[1].prefix))
    for (app, route), (other, same) in pairwise(sorted(paths, key=lambda it: it[1].prefix)):
        if route.prefix == same.prefix:
            raise ValueError(f"{app.name} and {other.name} both have the route {route.prefix}; give one another prefix")
    return typed(
        "config.route.v3.RouteConfiguration",
        name=NAME,
        max_direct_response_body_size_bytes=1024 * 1024,
        virtual_hosts=[
            {
                "name": NAME,
                "domains": ["*"],
                "routes": [*chain.from_iterable(_app_routes(*path) for path in paths), _index(apps), _not_found(apps)],
            }
        ],
    )


def _app_routes(app: App, route: Route) -> list[Json]:
    canary = app.traffic.canary
    found: list[Json] = []
    if route.prefix != "/":
        redirect = {"path_redirect": route.prefix, "response_code": "TEMPORARY_REDIRECT"}
        found.append({"match": {"path": route.prefix.rstrip("/")}, "redirect": redirect})
    if canary and app.canary and canary.weight:
        share = {"default_value": {"numerator": canary.weight, "denominator": "HUNDRED"}}
        found.append(_forward(app, route, app.canary, {"runtime_fraction": share}))
    if not canary or canary.weight < 100:
        found.append(_forward(app, route, app.stable, {}))
    return found


def _forward(app: App, route: Route, revision: Revision, share: Json) -> Json:
    policy = app.traffic
    action: Json = {
        "cluster": app.label(revision),
        "prefix_rewrite": route.rewrite,
        "timeout": seconds(policy.timeout_s),
        # A body that stalls: the request's own time-out only runs from its last byte.
        "idle_timeout": seconds(policy.timeout_s + 1),
        "retry_policy": retry_policy(policy.retries),
    }
    if policy.canary and app.canary and revision is app.stable and policy.canary.mirror:
        action["request_mirror_policies"] = [_mirror(app.label(app.canary), policy.canary.mirror)]
    return {
        "match": {"prefix": route.prefix, **share},
        "route": action,
        "request_headers_to_add": [_set("x-forwarded-prefix", route.prefix.rstrip("/"))],
        "response_headers_to_add": [_set(REVISION_HEADER, app.label(revision))],
        **limits(app),
        "typed_per_filter_config": {
            **limits(app)["typed_per_filter_config"],
            **({AUTH_FILTER: requirement(app)} if policy.auth else {}),
        },
    }


def limits(app: App, headers: str = HEADERS_FILTER, quota: str = QUOTA_FILTER, body: str = BODY_FILTER) -> Json:
    """What every route of an app says about size and number of requests.

    Args:
        app: the app.
        headers: name of the filter that changes headers, where the route passes it.
        quota: name of the filter that counts requests.
        body: name of the filter that measures bodies.
    """
    most = app.traffic.max_body_bytes
    measured = typed("extensions.filters.http.buffer.v3.BufferPerRoute", buffer={"max_request_bytes": most})
    return {
        "request_body_buffer_limit": most,
        "typed_per_filter_config": {body: measured, **_quota_of_route(app, headers, quota)},
        "metadata": {"filter_metadata": {"modelserve": {"app": app.name, **_quota_metadata(app)}}},
    }


def _quota_metadata(app: App) -> Json:
    limit = app.traffic.rate_limit
    return {f"quota-by-{limit.key}": app.name, "retry-after": str(retry_after_s(limit))} if limit else {}


def _quota_of_route(app: App, headers: str, quota: str) -> Json:
    """Quota headers in the form of the IETF's RateLimit draft 11, made from what the quota filter counts."""
    limit = app.traffic.rate_limit
    if limit is None:
        return {}
    policy, left = "RateLimit-Policy", "RateLimit"
    mutations = [
        {"append": _set(policy, f'"caller";q={limit.requests};w={limit.window_s}')},
        {"append": _set(left, '"caller";r=%RESP(X-RATELIMIT-REMAINING)%;t=%RESP(X-RATELIMIT-RESET)%')},
        *({"remove": f"x-ratelimit-{name}"} for name in ("limit", "remaining", "reset")),
    ]
    return {
        quota: typed("config.route.v3.FilterConfig", config={}),
        headers: typed(
            "extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
            mutations={"response_mutations": mutations},
        ),
    }


def retry_policy(retries: Retries) -> Json:
    """What is tried again, how often, and where."""
    conditions = ["connect-failure", "refused-stream", "reset-before-request"]
    policy: Json = {
        "num_retries": retries.attempts,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.250s"},
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": typed("extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
            }
        ],
        # Of two instances the balancer draws the dead one three times in four; 100 draws find the other.
        "host_selection_retry_max_attempts": 100,
    }
    if retries.per_try_timeout_s:
        conditions.append("reset")
        policy["per_try_timeout"] = seconds(retries.per_try_timeout_s)
    return {"retry_on": ",".join(conditions), **policy}


def _mirror(cluster: str, percent: int) -> Json:
    return {
        "cluster": cluster,
        "runtime_fraction": {"default_value": {"numerator": percent, "denominator": "HUNDRED"}},
        "request_headers_mutations": [{"append": _set(SHADOW_HEADER, "true")}],
    }


def _index(apps: tuple[App, ...]) -> Json:
    listed = index([(app, app.stable.version) for app in apps if app.routes])
    return _answer({"path": "/"}, 200, "application/json", listed)


def _not_found(apps: tuple[App, ...]) -> Json:
    problem = {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "No app has this path. GET / describes the apps; their paths are listed here.",
        "paths": sorted(route.prefix for app in apps for route in app.routes),
    }
    return _answer({"prefix": "/"}, 404, "application/problem+json", problem)


def _answer(match: Json, status: int, content_type: str, body: Json) -> Json:
    return {
        "match": match,
        "direct_response": {"status": status, "body": {"inline_string": json.dumps(body)}},
        "response_headers_to_add": [_set("content-type", content_type)],
    }


def _set(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
