"""The gateway's listener: what is accepted from callers, what is logged, and how Envoy's own errors read.

What a caller may not say is taken away before anything looks at it: ``x-envoy-*`` (Envoy does that for whoever comes
from outside, and here everybody does), ``x-modelserve-*`` and ``x-forwarded-prefix``. ``traceparent`` passes
untouched; ``x-request-id`` is always Envoy's own.
"""

from http import HTTPStatus

from infra.serving.envoy import wire
from infra.serving.envoy.wire import Json, file_source, seconds, typed

HEADERS_TIMEOUT_S = 10
REQUEST_TIMEOUT_S = 120
"""For a whole request, body included: 10 MiB, the default limit, at 0.7 Mbit/s."""
IDLE_TIMEOUT_S = 60
STREAM_IDLE_TIMEOUT_S = 60
MAX_HEADERS_KIB = 32
MAX_HEADERS = 100

LOCAL_REPLIES: dict[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "The request is not HTTP that can be passed on.",
    HTTPStatus.UNAUTHORIZED: "The app wants to know who calls: send a valid token as Authorization: Bearer …",
    HTTPStatus.FORBIDDEN: "The token is not for this app.",
    HTTPStatus.REQUEST_TIMEOUT: "The request did not arrive in time.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than the app accepts.",
    HTTPStatus.UPGRADE_REQUIRED: "The gateway speaks HTTP/1.1 and HTTP/2.",
    HTTPStatus.TOO_MANY_REQUESTS: "The caller's quota is used up; Retry-After says when to come back.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers are larger than the gateway accepts.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The gateway failed.",
    HTTPStatus.BAD_GATEWAY: "The app's answer was not HTTP.",
    HTTPStatus.SERVICE_UNAVAILABLE: "No instance of the app took the request, or the one that did broke off.",
    HTTPStatus.GATEWAY_TIMEOUT: "The app did not answer in time.",
}
"""What Envoy answers by itself, and the detail it then gives. 404 is a route (see routes.py)."""


def listener(port: int, routes_file: str, quota_file: str, auth_file: str) -> Json:
    """The listener on the loopback interface; routes, rate limits and who may call are read from files."""
    return {
        "name": wire.NAME,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "per_connection_buffer_limit_bytes": 64 * 1024,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": _connection_manager(routes_file, quota_file, auth_file),
                    }
                ]
            }
        ],
    }


def _connection_manager(routes_file: str, quota_file: str, auth_file: str) -> Json:
    return typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=wire.NAME,
        rds={"route_config_name": wire.NAME, "config_source": file_source(routes_file)},
        http_filters=_filters(quota_file, auth_file),
        access_log=[_ACCESS_LOG],
        local_reply_config={"mappers": problems()},
        use_remote_address=True,
        early_header_mutation_extensions=[NO_SPOOFING],
        always_set_request_id_in_response=True,
        request_id_extension={
            "typed_config": typed("extensions.request_id.uuid.v3.UuidRequestIdConfig", pack_trace_reason=False)
        },
        server_name="modelserve",
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        max_request_headers_kb=MAX_HEADERS_KIB,
        request_headers_timeout=seconds(HEADERS_TIMEOUT_S),
        request_timeout=seconds(REQUEST_TIMEOUT_S),
        stream_idle_timeout=seconds(STREAM_IDLE_TIMEOUT_S),
        common_http_protocol_options={
            "idle_timeout": seconds(IDLE_TIMEOUT_S),
            "max_headers_count": MAX_HEADERS,
            "headers_with_underscores_action": "DROP_HEADER",
        },
        http2_protocol_options={
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 64 * 1024,
            "initial_connection_window_size": 1024 * 1024,
        },
    )


def _filters(quota_file: str, auth_file: str) -> list[Json]:
    """In the order that requests pass; answers pass them the other way round."""
    return [
        {
            "name": wire.HEADERS_FILTER,
            "typed_config": typed("extensions.filters.http.header_mutation.v3.HeaderMutation"),
        },
        _from_file(wire.QUOTA_FILTER, quota_file, "local_ratelimit.v3.LocalRateLimit"),
        _from_file(wire.AUTH_FILTER, auth_file, "jwt_authn.v3.JwtAuthentication"),
        {
            "name": wire.BODY_FILTER,
            "disabled": True,
            "typed_config": typed("extensions.filters.http.buffer.v3.Buffer", max_request_bytes=1),
        },
        {"name": "envoy.filters.http.router", "typed_config": typed("extensions.filters.http.router.v3.Router")},
    ]


def _from_file(name: str, file: str, message: str) -> Json:
    """A filter for those routes that ask for it."""
    of_type = f"type.googleapis.com/envoy.extensions.filters.http.{message}"
    discovery = {"config_source": file_source(file), "type_urls": [of_type]}
    return {"name": name, "disabled": True, "config_discovery": discovery}


NO_SPOOFING: Json = {
    "name": "envoy.http.early_header_mutation.header_mutation",
    "typed_config": typed(
        "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[
            {"remove_on_match": {"key_matcher": {"prefix": "x-modelserve-"}}},
            {"remove_on_match": {"key_matcher": {"prefix": "x-envoy-"}}},
            {"remove": "x-forwarded-prefix"},
        ],
    ),
}


def problems() -> list[Json]:
    """Envoy's own errors in the form of RFC 9457."""
    return [problem(status, detail, _by(status)) for status, detail in LOCAL_REPLIES.items()]


def _by(status: HTTPStatus) -> Json:
    comparison = {"value": {"default_value": status.value, "runtime_key": "never_set"}}
    return {"status_code_filter": {"comparison": comparison}}


def problem(status: HTTPStatus, detail: str, replies: Json) -> Json:
    """Gives those of Envoy's own errors that a filter finds the form of RFC 9457."""
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "instance": "%REQ(X-REQUEST-ID)%",
        "reason": "%RESPONSE_CODE_DETAILS%",
    }
    mapper: Json = {
        "filter": replies,
        "body_format_override": {
            "json_format": body,
            "omit_empty_values": True,
            "content_type": "application/problem+json",
        },
    }
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        mapper["headers_to_add"] = [{"header": {"key": "retry-after", "value": "1"}, "append_action": "ADD_IF_ABSENT"}]
    return mapper


_ACCESS_LOG: Json = {
    "name": "envoy.access_loggers.stdout",
    "typed_config": typed(
        "extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={
            "json_format": {
                "log": "access",
                "time": "%START_TIME%",
                "request_id": "%REQ(X-REQUEST-ID)%",
                "trace_id": "%CEL(request.headers['traceparent'].substring(3, 35))%",
                "method": "%REQ(:METHOD)%",
                "path": "%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%",
                "protocol": "%PROTOCOL%",
                "status": "%RESPONSE_CODE%",
                "reason": "%RESPONSE_CODE_DETAILS%",
                "revision": "%UPSTREAM_CLUSTER_RAW%",
                "upstream": "%UPSTREAM_HOST%",
                "tries": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                "caller": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                "bytes_received": "%BYTES_RECEIVED%",
                "bytes_sent": "%BYTES_SENT%",
                "duration_ms": "%DURATION%",
                "first_byte_ms": "%RESPONSE_DURATION%",
            },
            "formatters": [
                {
                    "name": "envoy.formatter.cel",
                    "typed_config": typed(
                        "extensions.formatter.cel.v3.Cel", cel_config={"enable_string_functions": True}
                    ),
                },
                {
                    "name": "envoy.formatter.req_without_query",
                    "typed_config": typed("extensions.formatter.req_without_query.v3.ReqWithoutQuery"),
                },
            ],
        },
    ),
}
