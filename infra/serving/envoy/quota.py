"""Rate limits: a token bucket for each caller of each app, shared by all of the app's routes and versions.

They live in a filter configuration of their own, apart from the routes: a change of weights must not give every
caller a full bucket.

A bucket holds ``requests`` tokens and refills steadily, ``requests`` in ``window_s``. So a caller can spend a whole
quota at once and then goes on at the quota's rate. Callers told apart by API key who send none are told apart by
their address.
"""

import math

from infra.serving.envoy.app import App
from infra.serving.envoy.wire import Json, typed
from infra.serving.traffic import RateLimit

MAX_CALLERS = 10_000
"""Buckets kept at a time; the caller longest unseen loses its own first and comes back to a full one."""

API_KEY_HEADER = "x-api-key"


def quota(apps: tuple[App, ...]) -> Json:
    """The filter that counts requests; the routes say with their metadata which app's quota a request uses."""
    limits = [(app.name, app.traffic.rate_limit) for app in apps if app.traffic.rate_limit]
    return typed(
        "extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix="quota",
        filter_enabled={"default_value": {"numerator": 100}},
        filter_enforced={"default_value": {"numerator": 100}},
        enable_x_ratelimit_headers="DRAFT_VERSION_03",
        response_headers_to_add=[
            {"header": {"key": "retry-after", "value": "%METADATA(ROUTE:modelserve:retry-after)%"}}
        ],
        max_dynamic_descriptors=MAX_CALLERS,
        # Envoy wants a bucket for what no descriptor matches; that is nothing, so it is as large as can be.
        token_bucket={"max_tokens": 2**32 - 1, "tokens_per_fill": 2**32 - 1, "fill_interval": "1s"},
        always_consume_default_token_bucket=False,
        rate_limits=[
            {"actions": [_app("api-key"), _API_KEY]},
            {"actions": [_app("api-key"), _NO_API_KEY, _ADDRESS]},
            {"actions": [_app("address"), _ADDRESS]},
        ],
        descriptors=[descriptor for name, limit in limits for descriptor in _descriptors(name, limit)],
    )


def retry_after_s(limit: RateLimit) -> int:
    """Seconds after which an empty bucket has a token again."""
    return math.ceil(limit.window_s / limit.requests)


def _descriptors(app: str, limit: RateLimit) -> list[Json]:
    """What is counted; an entry without a value stands for every value, each with a bucket of its own."""
    bucket = {
        "max_tokens": limit.requests,
        "tokens_per_fill": limit.requests,
        "fill_interval": f"{limit.window_s}s",
    }
    this_app, any_key, any_address = {"key": "app", "value": app}, {"key": "api-key"}, {"key": "remote_address"}
    no_key = {"key": "anonymous", "value": "true"}
    entries = {
        "api-key": [[this_app, any_key], [this_app, no_key, any_address]],
        "address": [[this_app, any_address]],
    }
    return [{"entries": each, "token_bucket": bucket} for each in entries[limit.key]]


def _app(key: str) -> Json:
    path = {"key": "modelserve", "path": [{"key": f"quota-by-{key}"}]}
    return {"metadata": {"descriptor_key": "app", "metadata_key": path, "source": "ROUTE_ENTRY"}}


_API_KEY: Json = {"request_headers": {"header_name": API_KEY_HEADER, "descriptor_key": "api-key"}}
_NO_API_KEY: Json = {
    "header_value_match": {
        "descriptor_key": "anonymous",
        "descriptor_value": "true",
        "expect_match": False,
        "headers": [{"name": API_KEY_HEADER, "present_match": True}],
    }
}
_ADDRESS: Json = {"remote_address": {}}
