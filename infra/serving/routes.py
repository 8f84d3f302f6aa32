"""Routes of an app in the Gateway API: from the gateway by prefix, and from other apps by its name.

Both share requests among the revisions alike. What a route cannot say is in ``mesh.py``.
"""

import math

from infra.kubernetes import Manifest
from infra.serving import deployment
from infra.serving.cluster import Around
from infra.serving.envoy.routes import REVISION_HEADER
from infra.serving.pod import PORT
from infra.serving.revision import HTTP_PORT, RAY_PORT, Revision, of_app, revisions
from infra.serving.spec import Route, ServingSpec

SERVICE: Manifest = {"group": "", "kind": "Service"}


def render(spec: ServingSpec, around: Around) -> list[Manifest]:
    """The app's own Service, its route for other apps, and the gateway's where it has one.

    The Service is what other apps call, always at the same name: the mesh leads its requests to the revisions.
    """
    own = {**SERVICE, "name": spec.name}
    made = [_door(spec, around), _route(internal(spec), spec, around, own, [_all(spec, around)])]
    if not public(spec):
        return made
    namespace, name = around.gateway.split("/")
    gateway = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": namespace, "name": name}
    rules = [_rule(route, spec, around) for route in spec.routes]
    rules += [_redirect(route) for route in spec.routes if route.prefix != "/"]
    route = _route(spec.name, spec, around, gateway, rules)
    route["spec"]["hostnames"] = [around.domain]
    return [*made, route]


def public(spec: ServingSpec) -> bool:
    """Whether the gateway leads to the app."""
    return spec.public and bool(spec.routes)


def internal(spec: ServingSpec) -> str:
    """Name of the route for other apps."""
    return f"{spec.name}-internal"


def envoy_names(spec: ServingSpec, around: Around) -> list[str]:
    """What Istio calls the gateway's routes to the app in Envoy: by namespace, name, and place among the rules."""
    return [f"{around.namespace}.{spec.name}.{place}" for place in range(len(spec.routes))]


def envoy_internal_name(spec: ServingSpec, around: Around) -> str:
    """What Istio calls the route for other apps in Envoy."""
    return f"{around.namespace}.{internal(spec)}.0"


def _route(name: str, spec: ServingSpec, around: Around, parent: Manifest, rules: list[Manifest]) -> Manifest:
    port = {"port": HTTP_PORT} if parent["kind"] == "Service" else {}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": around.namespace, "labels": of_app(spec.name)},
        "spec": {"parentRefs": [{**parent, **port}], "rules": rules},
    }


def _rule(route: Route, spec: ServingSpec, around: Around) -> Manifest:
    prefix, rewrite = (path.rstrip("/") or "/" for path in (route.prefix, route.rewrite))
    modifier = {"set": [{"name": "x-forwarded-prefix", "value": route.prefix.rstrip("/")}]}
    filters: list[Manifest] = [{"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}]
    if prefix != rewrite:
        path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": rewrite}
        filters.append({"type": "URLRewrite", "urlRewrite": {"path": path}})
    whole = _all(spec, around)
    return {
        **whole,
        "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
        "filters": [*(filters if route.prefix != "/" else filters[1:]), *whole.get("filters", [])],
    }


def _redirect(route: Route) -> Manifest:
    """A prefix without its slash is another path for whoever follows a page's links."""
    path = {"type": "ReplaceFullPath", "replaceFullPath": route.prefix}
    redirect = {"type": "RequestRedirect", "requestRedirect": {"path": path, "statusCode": 307}}
    return {"matches": [{"path": {"type": "Exact", "value": route.prefix.rstrip("/")}}], "filters": [redirect]}


def _all(spec: ServingSpec, around: Around) -> Manifest:
    """Shares of the revisions, copies for the canary, and how long a request may take."""
    canary = spec.traffic.canary
    weight = canary.weight if canary else 0
    stable, *beside = revisions(spec)
    shares = [(stable, 100 - weight), *((revision, weight) for revision in beside)]
    rule: Manifest = {
        "backendRefs": [_backend(revision, share, around) for revision, share in shares if share],
        "timeouts": {"request": duration(spec.traffic.timeout_s)},
    }
    if canary and canary.mirror and beside:
        mirror = {"backendRef": _reference(beside[0], around), "percent": canary.mirror}
        rule["filters"] = [{"type": "RequestMirror", "requestMirror": mirror}]
    return rule


def _backend(revision: Revision, share: int, around: Around) -> Manifest:
    answer = {"set": [{"name": REVISION_HEADER, "value": f"{revision.app}@{revision.version}"}]}
    filters: list[Manifest] = [{"type": "ResponseHeaderModifier", "responseHeaderModifier": answer}]
    if host := revision.backend(around).host:
        request = {"set": [{"name": "Host", "value": host}]}
        filters.append({"type": "RequestHeaderModifier", "requestHeaderModifier": request})
    return {**_reference(revision, around), "weight": share, "filters": filters}


def _reference(revision: Revision, around: Around) -> Manifest:
    backend = revision.backend(around)
    return {**SERVICE, "name": backend.service, "namespace": backend.namespace, "port": backend.port}


def _door(spec: ServingSpec, around: Around) -> Manifest:
    stable = revisions(spec)[0]
    door = deployment.service(spec.name, stable, around, RAY_PORT if spec.way == "ray" else PORT)
    # One that scaled to zero has no pods, and the mesh does not look for them here.
    door["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    return door


def duration(seconds: float) -> str:
    """A duration as the Gateway API writes it (GEP-2257), which Istio reads too; rounded up to a millisecond."""
    whole, milliseconds = divmod(math.ceil(round(seconds * 1000, 6)), 1000)
    return "".join(f"{number}{unit}" for number, unit in ((whole, "s"), (milliseconds, "ms")) if number) or "0s"
