"""What Envoy starts with; all that an app can change is read from files, and again whenever they are swapped."""

from pathlib import PurePath

from infra.serving.envoy import wire
from infra.serving.envoy.listener import listener
from infra.serving.envoy.wire import Json, file_source, typed

MAX_CONNECTIONS = 16_384
"""Whoever comes when so many are there is refused, so idle callers must not be able to fill it: each takes 8 kB."""
MAX_HEAP_BYTES = 512 * 1024 * 1024
"""Bodies kept for retries and copies are what grows; beyond 95 % of this new requests get 503."""

ADMIN_CLUSTER = "admin"
ADMIN_PATHS = ("/ready", "/stats", "/clusters", "/config_dump", "/server_info", "/drain_listeners")
"""What the admin interface answers; among the rest is ``/quitquitquit``."""


def bootstrap(folder: PurePath, admin_socket: PurePath, port: int, metrics_port: int) -> Json:
    """The static configuration.

    Args:
        folder: where the files of `files.py` lie.
        admin_socket: path of the Unix socket for whoever owns the gateway; mode 0600.
        port: loopback port of the gateway.
        metrics_port: loopback port that answers ``/stats/prometheus`` and ``/ready``, and nothing else.
    """
    return {
        "node": {"id": "gateway", "cluster": "modelserve"},
        "admin": {
            "address": {"pipe": {"path": str(admin_socket), "mode": 0o600}},
            "allow_paths": [{"prefix": path} for path in ADMIN_PATHS],
        },
        "dynamic_resources": {"cds_config": file_source(str(folder / wire.CLUSTERS))},
        "static_resources": {
            "listeners": [
                listener(port, *(str(folder / file) for file in (wire.ROUTES, wire.QUOTA, wire.AUTH))),
                _metrics_listener(metrics_port),
            ],
            "clusters": [_admin_cluster(str(admin_socket))],
        },
        "stats_config": _STATS,
        "overload_manager": _OVERLOAD,
        "application_log_config": {"log_format": {"json_format": _OWN_LOG}},
    }


def _metrics_listener(port: int) -> Json:
    paths = ("/stats/prometheus", "/ready")
    routes = [
        {
            "match": {"path": path, "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
            "route": {"cluster": ADMIN_CLUSTER},
        }
        for path in paths
    ]
    manager = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="metrics",
        http_filters=[
            {"name": "envoy.filters.http.router", "typed_config": typed("extensions.filters.http.router.v3.Router")}
        ],
        route_config={"virtual_hosts": [{"name": "metrics", "domains": ["*"], "routes": routes}]},
    )
    return {
        "name": "metrics",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "ignore_global_conn_limit": True,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def _admin_cluster(admin_socket: str) -> Json:
    endpoint = {"endpoint": {"address": {"pipe": {"path": admin_socket}}}}
    return {
        "name": ADMIN_CLUSTER,
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": ADMIN_CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


# Envoy's own tag for a cluster ends at its name's first dot, but versions have dots: ours ends at the closing @.
_STATS: Json = {
    "use_all_default_tags": False,
    "stats_tags": [
        {"tag_name": "envoy.cluster_name", "regex": r"^cluster\.((.+?@.+?)@\.)"},
        {"tag_name": "envoy.response_code"},
        {"tag_name": "envoy.response_code_class"},
        {"tag_name": "envoy.http_conn_manager_prefix"},
    ],
}

_OVERLOAD: Json = {
    "refresh_interval": "0.25s",
    "resource_monitors": [
        {
            "name": "envoy.resource_monitors.fixed_heap",
            "typed_config": typed(
                "extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig", max_heap_size_bytes=MAX_HEAP_BYTES
            ),
        },
        {
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typed_config": typed(
                "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=MAX_CONNECTIONS,
            ),
        },
    ],
    "actions": [
        {
            "name": "envoy.overload_actions.stop_accepting_requests",
            "triggers": [{"name": "envoy.resource_monitors.fixed_heap", "threshold": {"value": 0.95}}],
        }
    ],
}

_OWN_LOG: Json = {"log": "envoy", "time": "%Y-%m-%dT%T.%eZ", "level": "%l", "logger": "%n", "message": "%j"}
