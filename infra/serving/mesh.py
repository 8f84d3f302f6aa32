"""What the traffic policy says and a route of the Gateway API cannot: in Istio's words, or in Envoy's own.

Istio's gateway is an Envoy too. Where Istio has no words for a part of the policy (size, quota, retries), it is told
the very configuration that this machine's gateway has, from the same functions. ``docs/decisions/cluster-traffic.md``
says which part of the policy becomes what.
"""

from http import HTTPStatus

from infra.kubernetes import Manifest
from infra.serving.cluster import Around
from infra.serving.envoy import app as envoy
from infra.serving.envoy import quota, routes, wire
from infra.serving.envoy.clusters import CONNECT_TIMEOUT_S, KEEP_ALIVE_S, MIN_RETRIES, RETRY_BUDGET_PERCENT
from infra.serving.envoy.listener import LOCAL_REPLIES, NO_SPOOFING, problem, problems
from infra.serving.revision import Revision, of_app, revisions
from infra.serving.routes import duration, envoy_internal_name, envoy_names, public
from infra.serving.spec import ServingSpec
from infra.serving.traffic import Jwt

CONNECTION_MANAGER = "envoy.filters.network.http_connection_manager"
ROUTER = "envoy.filters.http.router"
TOKEN, NO_TOKEN = "-token", 0
"""End of a policy's name, and place in it of the rule about requests without a token: Envoy tells what it denied by."""


def render(spec: ServingSpec, around: Around) -> list[Manifest]:
    """The mesh's part of an app's traffic policy."""
    found = [_balanced(spec, revision, around) for revision in revisions(spec) if revision.backend(around).host is None]
    if spec.way != "ray":
        found.append(_kept_alive(spec, around))
    found.append(_filter(spec.name, around.namespace, {}, [_retries(spec, around)]))
    if public(spec):
        home = around.gateway.split("/")[0]
        patches = [*_filters(spec), *(_merged(name, spec) for name in envoy_names(spec, around))]
        found.append(_filter(f"{around.namespace}-{spec.name}", home, {"labels": around.gateway_labels}, patches))
        if spec.traffic.auth:
            found += _tokens(spec, spec.traffic.auth, around)
    return found


def at_gateway(around: Around) -> Manifest:
    """What holds for all apps, once for each gateway: errors are problems of RFC 9457, and nobody fakes its headers."""
    denied = f'response.code == 403 && response.code_details.contains("{TOKEN}]-rule[{NO_TOKEN}]")'
    without_token: Manifest = {
        **problem(
            HTTPStatus.UNAUTHORIZED,
            LOCAL_REPLIES[HTTPStatus.UNAUTHORIZED],
            {
                "extension_filter": {
                    "name": "envoy.access_loggers.extension_filters.cel",
                    "typed_config": wire.typed(
                        "extensions.access_loggers.filters.cel.v3.ExpressionFilter", expression=denied
                    ),
                }
            },
        ),
        "status_code": HTTPStatus.UNAUTHORIZED.value,
        "headers_to_add": [{"header": {"key": "www-authenticate", "value": "Bearer"}}],
    }
    manager = wire.typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        local_reply_config={"mappers": [without_token, *problems()]},
        early_header_mutation_extensions=[NO_SPOOFING],
    )
    patch: Manifest = {
        "applyTo": "NETWORK_FILTER",
        "match": {"context": "GATEWAY", "listener": {"filterChain": {"filter": {"name": CONNECTION_MANAGER}}}},
        "patch": {"operation": "MERGE", "value": {"name": CONNECTION_MANAGER, "typed_config": manager}},
    }
    home, name = around.gateway.split("/")
    return _filter(f"{name}-answers", home, {"labels": around.gateway_labels}, [patch])


def _balanced(spec: ServingSpec, revision: Revision, around: Around) -> Manifest:
    ejection = spec.traffic.outlier_ejection
    backend = revision.backend(around)
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": revision.name, "namespace": around.namespace, "labels": revision.labels},
        "spec": {
            "host": f"{backend.service}.{backend.namespace}.svc.cluster.local",
            "trafficPolicy": {
                "loadBalancer": {"simple": "LEAST_REQUEST"},
                "connectionPool": {
                    "tcp": {"connectTimeout": duration(CONNECT_TIMEOUT_S)},
                    "http": {"idleTimeout": duration(KEEP_ALIVE_S)},
                },
                "outlierDetection": {
                    "consecutiveGatewayErrors": ejection.consecutive_errors,
                    "consecutive5xxErrors": 0,
                    "interval": "1s",
                    "baseEjectionTime": duration(ejection.ejection_s),
                    "maxEjectionPercent": ejection.max_percent,
                    "minHealthPercent": 1,
                },
                "retryBudget": {"percent": RETRY_BUDGET_PERCENT, "minRetryConcurrency": MIN_RETRIES},
            },
        },
    }


def _kept_alive(spec: ServingSpec, around: Around) -> Manifest:
    """The proxy beside the app closes idle connections before the app does, as this machine's gateway does."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"name": spec.name, "namespace": around.namespace, "labels": of_app(spec.name)},
        "spec": {
            "workloadSelector": {"labels": of_app(spec.name)},
            "inboundConnectionPool": {"http": {"idleTimeout": duration(KEEP_ALIVE_S)}},
        },
    }


def _filters(spec: ServingSpec) -> list[Manifest]:
    """Filters of the app's own, off unless a route asks for them: what is first here comes last for a request."""
    made = [_inserted("INSERT_BEFORE", _body(spec), "extensions.filters.http.buffer.v3.Buffer", max_request_bytes=1)]
    if spec.traffic.rate_limit:
        counted = {key: value for key, value in quota.quota((_told(spec),)).items() if key != "@type"}
        limit = "extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
        mutation = "extensions.filters.http.header_mutation.v3.HeaderMutation"
        made += [
            _inserted("INSERT_FIRST", _quota(spec), limit, **counted),
            _inserted("INSERT_FIRST", _headers(spec), mutation),
        ]
    return made


def _inserted(operation: str, name: str, message: str, **fields: object) -> Manifest:
    manager: Manifest = {"name": CONNECTION_MANAGER}
    if operation == "INSERT_BEFORE":
        manager["subFilter"] = {"name": ROUTER}
    value = {"name": name, "disabled": True, "typed_config": wire.typed(message, **fields)}
    return {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "GATEWAY", "listener": {"filterChain": {"filter": manager}}},
        "patch": {"operation": operation, "value": value},
    }


def _merged(route: str, spec: ServingSpec) -> Manifest:
    value = {**routes.limits(_told(spec), _headers(spec), _quota(spec), _body(spec)), "route": _forwarding(spec)}
    return _patched("GATEWAY", route, value)


def _retries(spec: ServingSpec, around: Around) -> Manifest:
    return _patched("SIDECAR_OUTBOUND", envoy_internal_name(spec, around), {"route": _forwarding(spec)})


def _patched(context: str, route: str, value: Manifest) -> Manifest:
    return {
        "applyTo": "HTTP_ROUTE",
        "match": {"context": context, "routeConfiguration": {"vhost": {"route": {"name": route}}}},
        "patch": {"operation": "MERGE", "value": value},
    }


def _forwarding(spec: ServingSpec) -> Manifest:
    policy = routes.retry_policy(spec.traffic.retries)
    # Istio's own policy has this one already, and lists are joined.
    del policy["retry_host_predicate"]
    if not spec.traffic.retries.attempts:
        # A zero does not replace what is there: this only ever happens to gRPC.
        policy["retry_on"] = "cancelled"
    return {"retry_policy": policy, "idle_timeout": wire.seconds(spec.traffic.timeout_s + 1)}


def _filter(name: str, namespace: str, selector: Manifest, patches: list[Manifest]) -> Manifest:
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**({"workloadSelector": selector} if selector else {}), "configPatches": patches},
    }


def _tokens(spec: ServingSpec, jwt: Jwt, around: Around) -> list[Manifest]:
    """Whom the gateway lets through. Policies that deny: one that allows would shut out all other apps."""
    if not jwt.jwks_url.startswith("https:"):
        raise ValueError(
            f"apps/{spec.name}/app.yaml: traffic.auth.jwks_url is {jwt.jwks_url}, which only this machine can read; "
            "a cluster fetches keys from https://…"
        )
    home = around.gateway.split("/")[0]
    metadata: Manifest = {"name": f"{around.namespace}-{spec.name}{TOKEN}", "namespace": home}
    selector = {"matchLabels": dict(around.gateway_labels)}
    paths = [{"operation": {"paths": [f"{route.prefix}*" for route in spec.routes]}}]
    anybody = [f"{jwt.issuer}/*"]
    nobody: Manifest = {"from": [{"source": {"notRequestPrincipals": anybody}}], "to": paths}
    # Another app may have the same issuer: its tokens are good, but not here.
    of_others: Manifest = {
        "from": [{"source": {"requestPrincipals": anybody}}],
        "to": paths,
        "when": [{"key": "request.auth.audiences", "notValues": list(jwt.audiences)}],
    }
    return [
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "RequestAuthentication",
            "metadata": metadata,
            "spec": {
                "selector": selector,
                "jwtRules": [
                    {
                        "issuer": jwt.issuer,
                        "audiences": list(jwt.audiences),
                        "jwksUri": jwt.jwks_url,
                        "fromHeaders": [{"name": "Authorization", "prefix": "Bearer "}],
                    }
                ],
            },
        },
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": metadata,
            "spec": {"selector": selector, "action": "DENY", "rules": [nobody, of_others]},
        },
    ]


def _told(spec: ServingSpec) -> envoy.App:
    """The app as this machine's gateway is told about it."""
    return envoy.App(
        name=spec.name,
        summary=spec.summary,
        routes=spec.routes,
        traffic=spec.traffic.model_copy(update={"canary": None}),
        stable=envoy.Revision(version=revisions(spec)[0].version, endpoints=()),
    )


def _headers(spec: ServingSpec) -> str:
    return f"headers-{spec.name}"


def _quota(spec: ServingSpec) -> str:
    return f"quota-{spec.name}"


def _body(spec: ServingSpec) -> str:
    return f"body-{spec.name}"
