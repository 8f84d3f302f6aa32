"""Traffic between pods."""

from pack.resource import UNKNOWN, Resource, dig
from pack.rule import Faults, rule

ISTIO = "kubernetes:*.istio.io/*:"


@rule(f"{ISTIO}PeerAuthentication")
def mesh_strict(resource: Resource) -> Faults:
    """Pods of the mesh take only connections that prove who calls (mTLS).

    Set ``mtls.mode: STRICT``, for every port too; ``PERMISSIVE`` also takes clear text from anybody.
    """
    ports = resource.get("spec", "portLevelMtls")
    modes = {"mtls": resource.get("spec", "mtls")}
    if isinstance(ports, dict):
        modes |= {f"portLevelMtls {port}": mtls for port, mtls in ports.items()}
    for place, mtls in modes.items():
        if mtls is not UNKNOWN and dig(mtls, "mode") not in ("STRICT", UNKNOWN):
            yield f"{place} is {dig(mtls, 'mode') or 'not set'}"


@rule(f"{ISTIO}DestinationRule")
def mesh_not_bypassed(resource: Resource) -> Faults:
    """Callers in the mesh do not switch mTLS off.

    Set ``trafficPolicy.tls.mode`` to ``ISTIO_MUTUAL``, or leave it out.
    """
    policies = [resource.get("spec", "trafficPolicy")]
    policies += [dig(one, "trafficPolicy") for one in resource.each("spec", "subsets")]
    for policy in policies:
        if dig(policy, "tls", "mode") == "DISABLE":
            yield "trafficPolicy.tls.mode is DISABLE"


@rule(f"{ISTIO}AuthorizationPolicy")
def mesh_names_callers(resource: Resource) -> Faults:
    """A policy that allows says whom, or what.

    Give each rule a ``from``, ``to`` or ``when``: an empty rule allows everybody everything.
    """
    if resource.get("spec", "action") in (None, "ALLOW"):
        for given in resource.each("spec", "rules"):
            if not given:
                yield "an empty rule allows everybody everything"


@rule(f"{ISTIO}RequestAuthentication", f"{ISTIO}ServiceEntry")
def outside_over_tls(resource: Resource) -> Faults:
    """Keys and services outside are fetched over TLS.

    Give ``https://`` addresses of issuers' keys, and no port of protocol HTTP to a service outside the mesh.
    """
    for given in resource.each("spec", "jwtRules"):
        if str(dig(given, "jwksUri")).startswith("http://"):
            yield f"jwksUri {dig(given, 'jwksUri')} comes in clear text"
    if resource.get("spec", "location") in (None, "MESH_EXTERNAL"):
        for port in resource.each("spec", "ports"):
            if dig(port, "protocol") == "HTTP":
                yield f"port {dig(port, 'name')} is HTTP"
