"""Namespaces, services, rights, secrets and traffic in a cluster."""

from typing import Any

from tests.cases.workloads import deployment, pod
from tests.judge import Made, faulty, fine, made

POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
PEERS = "kubernetes:security.istio.io/v1:PeerAuthentication"
DESTINATION = "kubernetes:networking.istio.io/v1:DestinationRule"
CALLERS = "kubernetes:security.istio.io/v1:AuthorizationPolicy"
OUTSIDE = "kubernetes:networking.istio.io/v1:ServiceEntry"


def config(**data: str) -> Made:
    return made("kubernetes:core/v1:ConfigMap", data={key.replace("__", "."): value for key, value in data.items()})


def policy(namespace: str) -> Made:
    return made(POLICY, "policy", metadata={"namespace": namespace}, spec={"podSelector": {}})


def replicas(count: float) -> Made:
    spec = {"replicas": count, "template": pod()}
    return made("kubernetes:apps/v1:Deployment", metadata={"namespace": "apps"}, spec=spec)


def budget(namespace: str = "apps", **labels: str) -> Made:
    spec = {"minAvailable": 1, "selector": {"matchLabels": labels}}
    return made("kubernetes:policy/v1:PodDisruptionBudget", "budget", metadata={"namespace": namespace}, spec=spec)


def namespace(called: str, **labels: str) -> Made:
    given = {key.replace("_", "-"): value for key, value in labels.items()}
    marked = {f"pod-security.kubernetes.io/{key}": value for key, value in given.items()}
    return made("kubernetes:core/v1:Namespace", metadata={"name": called, "labels": marked})


def service(kind: str, where: str = "apps", called: str = "x", **more: Any) -> Made:
    return made(
        "kubernetes:core/v1:Service", metadata={"namespace": where, "name": called}, spec={"type": kind, **more}
    )


def role(**rights: list[str]) -> Made:
    given = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], **rights}
    return made("kubernetes:rbac.authorization.k8s.io/v1:Role", rules=[given])


def binding(called: str, who: str) -> Made:
    kind = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"
    return made(kind, roleRef={"name": called}, subjects=[{"kind": "User", "name": who}])


def mesh(kind: str, **spec: Any) -> Made:
    return made(kind, spec=spec)


CASES = [
    fine("no-secret-in-config-map", "settings", config(LOG_LEVEL="info", app__yaml="name: classifier")),
    faulty(
        "no-secret-in-config-map",
        "a token by name",
        "data.api-token",
        made("kubernetes:core/v1:ConfigMap", data={"api-token": "x"}),
    ),
    faulty(
        "no-secret-in-config-map",
        "a key in a file",
        "data.server.pem looks like",
        config(server__pem="-----BEGIN RSA PRIVATE KEY-----\nMII"),
    ),
    fine("namespaces-have-network-policy", "a guarded namespace", deployment(), policy("apps")),
    fine("namespaces-have-network-policy", "a driver that is excepted", deployment(namespace="kube-system")),
    faulty("namespaces-have-network-policy", "an open one", "namespace apps has", deployment()),
    faulty("namespaces-have-network-policy", "a guard elsewhere", "namespace apps has", deployment(), policy("other")),
    fine("replicas-have-disruption-budget", "three and a budget", replicas(3.0), budget(app="x")),
    fine("replicas-have-disruption-budget", "one alone", replicas(1.0)),
    faulty("replicas-have-disruption-budget", "three alone", "3 replicas and no", replicas(3.0)),
    faulty("replicas-have-disruption-budget", "a budget for others", "3 replicas", replicas(3.0), budget(app="y")),
    faulty(
        "replicas-have-disruption-budget", "a budget elsewhere", "3 replicas", replicas(3.0), budget("other", app="x")
    ),
    fine("namespace-restricted", "restricted", namespace("apps", enforce="restricted")),
    fine("namespace-restricted", "one that is excepted", namespace("kube-system")),
    faulty("namespace-restricted", "nothing said", "enforce is missing", namespace("apps")),
    faulty("namespace-restricted", "privileged", "enforce is privileged", namespace("apps", enforce="privileged")),
    fine("only-gateway-outside", "inside", service("ClusterIP")),
    fine("only-gateway-outside", "the gateway", service("LoadBalancer", "istio-system", "istio-ingressgateway")),
    faulty("only-gateway-outside", "an app", "apps/x is a LoadBalancer", service("LoadBalancer")),
    faulty("only-gateway-outside", "a port of all nodes", "apps/x is a NodePort", service("NodePort")),
    faulty(
        "only-gateway-outside", "an address of somebody", "externalIPs", service("ClusterIP", externalIPs=["192.0.2.1"])
    ),
    fine("rights-named", "reading deployments", role()),
    faulty("rights-named", "every verb", "* for verbs", role(verbs=["*"])),
    faulty("rights-named", "every resource", "* for resources", role(resources=["*"])),
    faulty("rights-named", "becoming somebody else", "allows impersonate", role(verbs=["impersonate"])),
    fine("nobody-cluster-admin", "a reader", binding("view", "alice")),
    faulty("nobody-cluster-admin", "an administrator", "cluster-admin", binding("cluster-admin", "alice")),
    faulty("nobody-cluster-admin", "anybody", "system:anonymous", binding("view", "system:anonymous")),
    fine("mesh-strict", "strict", mesh(PEERS, mtls={"mode": "STRICT"})),
    faulty("mesh-strict", "permissive", "mtls is PERMISSIVE", mesh(PEERS, mtls={"mode": "PERMISSIVE"})),
    faulty("mesh-strict", "nothing said", "mtls is not set", mesh(PEERS, selector={})),
    faulty(
        "mesh-strict",
        "one port open",
        "portLevelMtls 8080 is DISABLE",
        mesh(PEERS, mtls={"mode": "STRICT"}, portLevelMtls={"8080": {"mode": "DISABLE"}}),
    ),
    fine("mesh-not-bypassed", "mutual", mesh(DESTINATION, trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL"}})),
    faulty(
        "mesh-not-bypassed", "switched off", "DISABLE", mesh(DESTINATION, trafficPolicy={"tls": {"mode": "DISABLE"}})
    ),
    faulty(
        "mesh-not-bypassed",
        "switched off for the canary",
        "DISABLE",
        mesh(DESTINATION, subsets=[{"name": "canary", "trafficPolicy": {"tls": {"mode": "DISABLE"}}}]),
    ),
    fine(
        "mesh-names-callers",
        "the gateway",
        mesh(CALLERS, rules=[{"from": [{"source": {"namespaces": ["istio-system"]}}]}]),
    ),
    fine("mesh-names-callers", "nobody", mesh(CALLERS, action="ALLOW")),
    fine("mesh-names-callers", "a denial for everybody", mesh(CALLERS, action="DENY", rules=[{}])),
    faulty("mesh-names-callers", "everybody", "an empty rule", mesh(CALLERS, rules=[{}])),
    fine("outside-over-tls", "HTTPS", mesh(OUTSIDE, ports=[{"name": "https", "protocol": "TLS"}])),
    fine("outside-over-tls", "HTTP in the mesh", mesh(OUTSIDE, location="MESH_INTERNAL", ports=[{"protocol": "HTTP"}])),
    faulty("outside-over-tls", "HTTP", "port web is HTTP", mesh(OUTSIDE, ports=[{"name": "web", "protocol": "HTTP"}])),
    faulty(
        "outside-over-tls",
        "an issuer's keys in clear text",
        "jwksUri http://issuer.example",
        mesh(
            "kubernetes:security.istio.io/v1:RequestAuthentication",
            jwtRules=[{"jwksUri": "http://issuer.example/keys"}],
        ),
    ),
]
