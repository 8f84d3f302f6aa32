"""Namespaces, services, rights and secrets in a cluster."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from pack.pods import ALL, EXCEPT, Pod, listed, name, namespace, pods
from pack.resource import UNKNOWN, Resource, Stack, dig, each
from pack.rule import Faults, StackFaults, rule, stack_rule

SECRET_NAME = re.compile(r"(?i)(passw(or)?d|passphrase|secret|token|api_?key|access_?key|private_?key|credential)s?$")
SECRET_VALUE = re.compile(
    r"""(?x) AKIA[0-9A-Z]{16}                    # an access key of AWS
    | -----BEGIN[ A-Z]*PRIVATE\ KEY-----
    | \bgh[pousr]_[A-Za-z0-9]{36}                # a token of GitHub
    | \beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,} # a JSON Web Token
    | \b[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/:@$]+@ # a URL with a password in it
    """
)
SYSTEM = ("kube-system", "kube-public", "kube-node-lease", "default")


@rule(*ALL, settings=EXCEPT)
def no_secret_in_environment(resource: Resource) -> Faults:
    """No secret stands in a pod's environment as it is.

    Take it from a Secret with ``valueFrom.secretKeyRef``, or better from a file of a mounted one.
    """
    for pod in pods(resource):
        for container in pod.all_containers:
            for variable in each(container, "env"):
                called, value = str(dig(variable, "name")), dig(variable, "value")
                # The value itself must not be shown.
                if value is not UNKNOWN and _secret(called, value):
                    yield f"container {dig(container, 'name')} has a secret in {called}"


@rule("kubernetes:core/v1:ConfigMap")
def no_secret_in_config_map(resource: Resource) -> Faults:
    """No secret stands in a ConfigMap.

    Put it into a Secret: who may read the one need not read the other, and etcd encrypts only Secrets.
    """
    held = resource.get("data")
    for key, value in held.items() if isinstance(held, Mapping) else ():
        if value is not UNKNOWN and _secret(key, value):
            yield f"data.{key} looks like a secret"


@stack_rule(EXCEPT)
def namespaces_have_network_policy(stack: Stack) -> StackFaults:
    """In every namespace with workloads a NetworkPolicy says who reaches them.

    Add one that selects all pods and allows nothing (``podSelector: {}``, ``policyTypes: [Ingress]``), and one for each
    way that is needed.
    """
    guarded = {namespace(one) for one in stack.of("kubernetes:networking.k8s.io/v1:NetworkPolicy")}
    # A policy in a namespace that is not known yet may be any one's.
    if UNKNOWN in guarded:
        return
    seen: set[str] = set()
    for resource, _ in _workloads(stack):
        place = namespace(resource)
        if place is not UNKNOWN and place not in guarded | seen:
            seen.add(place)
            yield f"namespace {place} has workloads and no NetworkPolicy", resource


@stack_rule(EXCEPT)
def replicas_have_disruption_budget(stack: Stack) -> StackFaults:
    """Where several replicas run, not all of them are taken away at once.

    Add a PodDisruptionBudget that selects the pods' labels.
    """
    budgets = list(stack.of("kubernetes:policy/v1:PodDisruptionBudget"))
    for resource, pod in _workloads(stack):
        replicas = resource.get("spec", "replicas")
        if not resource.isa("*:Deployment", "*:StatefulSet") or replicas in (None, UNKNOWN) or replicas < 2:
            continue
        if not any(_selects(budget, resource, pod) for budget in budgets):
            yield f"{replicas:.0f} replicas and no PodDisruptionBudget that selects them", resource


@rule("kubernetes:core/v1:Namespace", settings=EXCEPT)
def namespace_restricted(resource: Resource) -> Faults:
    """Kubernetes itself refuses pods that want too much.

    Label the namespace ``pod-security.kubernetes.io/enforce: restricted``; name one whose pods need the node, as
    ``<namespace>/*`` in ``except``.
    """
    called = name(resource)
    spared = called is UNKNOWN or any(fnmatchcase(f"{called}/", one) for one in resource.config.get("except", ()))
    level = resource.get("metadata", "labels", "pod-security.kubernetes.io/enforce")
    if not spared and level not in ("restricted", UNKNOWN):
        yield f"pod-security.kubernetes.io/enforce is {level or 'missing'}"


@rule(
    "kubernetes:core/v1:Service",
    settings={
        "gateways": {
            "type": "array",
            "items": {"type": "string"},
            "default": ["istio-system/*gateway*", "istio-ingress/*"],
            "description": "Services that the outside may reach, as namespace/name; * stands for anything.",
        }
    },
)
def only_gateway_outside(resource: Resource) -> Faults:
    """The gateway alone is reached from outside the cluster.

    Make the Service ``ClusterIP``, and lead to it with a route of the gateway: there callers are known and limited.
    """
    if listed(resource, "gateways"):
        return
    kind, place = resource.get("spec", "type"), f"{namespace(resource)}/{name(resource)}"
    if kind in ("LoadBalancer", "NodePort"):
        yield f"{place} is a {kind}"
    if resource.get("spec", "externalIPs") not in (None, [], UNKNOWN):
        yield f"{place} has externalIPs"


@rule("kubernetes:rbac.authorization.k8s.io/v1:Role", "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole")
def rights_named(resource: Resource) -> Faults:
    """Rights in the cluster are named.

    List verbs, resources and API groups without ``*``, and none of ``escalate``, ``bind`` and ``impersonate``, each of
    which is as good as all of them.
    """
    for given in resource.each("rules"):
        for field in ("verbs", "resources", "apiGroups"):
            if "*" in each(given, field):
                yield f"a rule has * for {field}"
        for verb in {"escalate", "bind", "impersonate"}.intersection(map(str, each(given, "verbs"))):
            yield f"a rule allows {verb}"


@rule(
    "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"
)
def nobody_cluster_admin(resource: Resource) -> Faults:
    """Nobody is bound to ``cluster-admin``, and nobody unknown to anything.

    Bind a role with what is needed; people are administrators through EKS access entries.
    """
    if resource.get("roleRef", "name") == "cluster-admin":
        yield "roleRef is cluster-admin"
    for subject in resource.each("subjects"):
        if dig(subject, "name") in ("system:anonymous", "system:unauthenticated", "system:authenticated"):
            yield f"it binds {dig(subject, 'name')}"


def _workloads(stack: Stack) -> Iterator[tuple[Resource, Pod]]:
    for resource in stack.of(*ALL):
        asked = Resource(resource.type, resource.name, resource.urn, resource.props, config=stack.config)
        for pod in pods(asked):
            yield resource, pod


def _selects(budget: Resource, resource: Resource, pod: Pod) -> bool:
    selector = budget.get("spec", "selector", "matchLabels")
    if UNKNOWN in (namespace(budget), namespace(resource), selector, pod.labels):
        return True
    if namespace(budget) != namespace(resource) or not selector:
        return False
    return all(dig(pod.labels, label) in (value, UNKNOWN) or value is UNKNOWN for label, value in selector.items())


def _secret(called: str, value: Any) -> bool:
    return bool(value) and bool(SECRET_NAME.search(called) or SECRET_VALUE.search(str(value)))
