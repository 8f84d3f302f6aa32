"""Who may call: JSON Web Tokens, checked for the routes of those apps that ask for one.

The keys of the issuers lie in a filter configuration of their own, apart from the routes, as the quotas do: keys that
were fetched outlast a change of weights. Keys are fetched over TLS; the authorities are Mozilla's.
"""

from urllib.parse import urlsplit

import certifi

from infra.serving.envoy.app import App
from infra.serving.envoy.wire import Json, seconds, typed
from infra.serving.traffic import Jwt

FETCH_TIMEOUT_S = 5
KEYS_KEPT_S = 600
"""How long fetched keys are used: an issuer that withdraws one waits that long at most; Istio's istiod takes 20 min."""

BEARER: Json = {"name": "authorization", "value_prefix": "Bearer "}


def auth(apps: tuple[App, ...]) -> Json:
    """The filter that checks tokens; a route names the app whose requirement a request has to meet."""
    asking = {app.name: app.traffic.auth for app in apps if app.traffic.auth}
    return typed(
        "extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        providers={name: _provider(jwt) for name, jwt in asking.items()},
        requirement_map={name: {"provider_name": name} for name in asking},
    )


def requirement(app: App) -> Json:
    """What a route of the app says to the filter."""
    return typed("extensions.filters.http.jwt_authn.v3.PerRouteConfig", requirement_name=app.name)


def clusters(apps: tuple[App, ...]) -> list[Json]:
    """A cluster for each host that has keys."""
    urls = {app.traffic.auth.jwks_url for app in apps if app.traffic.auth}
    return [_cluster(host, port) for host, port in sorted({_place(url) for url in urls if not url.startswith("file:")})]


def _provider(jwt: Jwt) -> Json:
    return {
        "issuer": jwt.issuer,
        "audiences": list(jwt.audiences),
        # On a cluster a caller is known as issuer/subject: without a subject there, nobody.
        "subjects": {"safe_regex": {"regex": ".+"}},
        "from_headers": [BEARER],
        **_keys(jwt.jwks_url),
    }


def _keys(url: str) -> Json:
    if url.startswith("file:"):
        return {"local_jwks": {"filename": urlsplit(url).path}}
    fetched: Json = {
        "http_uri": {"uri": url, "cluster": _name(*_place(url)), "timeout": seconds(FETCH_TIMEOUT_S)},
        "cache_duration": seconds(KEYS_KEPT_S),
        "async_fetch": {"fast_listener": True},
    }
    return {"remote_jwks": fetched}


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 443


def _name(host: str, port: int) -> str:
    return f"keys of {host}:{port}"


def _cluster(host: str, port: int) -> Json:
    tls = typed(
        "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        sni=host,
        auto_sni_san_validation=True,
        common_tls_context={"validation_context": {"trusted_ca": {"filename": certifi.where()}}},
    )
    address = {"socket_address": {"address": host, "port_value": port}}
    return typed(
        "config.cluster.v3.Cluster",
        name=_name(host, port),
        alt_stat_name=f"keys@{host}@",
        type="LOGICAL_DNS",
        connect_timeout=seconds(FETCH_TIMEOUT_S),
        load_assignment={
            "cluster_name": _name(host, port),
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        transport_socket={"name": "envoy.transport_sockets.tls", "typed_config": tls},
    )
