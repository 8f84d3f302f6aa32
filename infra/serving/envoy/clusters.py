"""Clusters: one for each revision of an app, its instances kept in an endpoint file of their own.

Balancing is by the fewer requests in flight of two instances drawn at random. To look at all of them would be better
balanced, but then the retry of a request that a dead instance refused goes to that instance again: it has the fewest.

An instance that fails in a row is left alone for a while (outlier ejection). The only instance is never ejected (it
would be more than ``max_percent`` of them), and where every instance is out, all are tried: so an app that died and
listens again answers at once.

Idle connections close after `KEEP_ALIVE_S`, before an app closes them itself (uvicorn does after 5 s): a request
written into a connection that the app is just closing could not be told from one that the app got and dropped, and
would have to fail.
"""

from infra.serving.envoy.app import App, Endpoint
from infra.serving.envoy.wire import Json, file_source, seconds, typed

KEEP_ALIVE_S = 4.0
CONNECT_TIMEOUT_S = 1.0
RETRY_BUDGET_PERCENT = 20.0
"""Share of the requests in flight that may be retries: Envoy's default for a budget, and Finagle's."""
MIN_RETRIES = 20
"""Retries that always may be; half of a laptop's requests are in flight to an instance at the moment that it dies."""


def clusters(apps: tuple[App, ...], endpoint_folder: str) -> list[Json]:
    """A cluster for each revision; its endpoints are read from ``<endpoint_folder>/<label>.json``."""
    return [
        _cluster(app, app.label(revision), f"{endpoint_folder}/{app.label(revision)}.json")
        for app in apps
        for revision in app.revisions
    ]


def endpoints(apps: tuple[App, ...]) -> dict[str, Json]:
    """The load assignment of each cluster, by its label."""
    return {
        app.label(revision): typed(
            "config.endpoint.v3.ClusterLoadAssignment",
            cluster_name=app.label(revision),
            endpoints=[{"lb_endpoints": [_lb_endpoint(endpoint) for endpoint in revision.endpoints]}],
        )
        for app in apps
        for revision in app.revisions
    }


def _cluster(app: App, label: str, endpoint_file: str) -> Json:
    ejection = app.traffic.outlier_ejection
    return typed(
        "config.cluster.v3.Cluster",
        name=label,
        # The closing @ lets the statistics tell a version's dots from their own (see bootstrap.py).
        alt_stat_name=f"{label}@",
        type="EDS",
        eds_cluster_config={"eds_config": file_source(endpoint_file)},
        connect_timeout=seconds(CONNECT_TIMEOUT_S),
        load_balancing_policy={"policies": [{"typed_extension_config": _LEAST_REQUEST}]},
        common_lb_config={"healthy_panic_threshold": {"value": 1}},
        outlier_detection={
            "consecutive_gateway_failure": ejection.consecutive_errors,
            "enforcing_consecutive_gateway_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "interval": seconds(1),
            "base_ejection_time": seconds(ejection.ejection_s),
            "max_ejection_time": seconds(max(300.0, ejection.ejection_s)),
            "max_ejection_percent": ejection.max_percent,
        },
        circuit_breakers={
            "thresholds": [
                {
                    "retry_budget": {
                        "budget_percent": {"value": RETRY_BUDGET_PERCENT},
                        "min_retry_concurrency": MIN_RETRIES,
                    }
                }
            ]
        },
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                "extensions.upstreams.http.v3.HttpProtocolOptions",
                explicit_http_config={"http_protocol_options": {}},
                common_http_protocol_options={"idle_timeout": seconds(KEEP_ALIVE_S)},
            )
        },
    )


_LEAST_REQUEST: Json = {
    "name": "envoy.load_balancing_policies.least_request",
    "typed_config": typed("extensions.load_balancing_policies.least_request.v3.LeastRequest", choice_count=2),
}


def _lb_endpoint(endpoint: Endpoint) -> Json:
    host, port = endpoint.split(":")
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}}}
