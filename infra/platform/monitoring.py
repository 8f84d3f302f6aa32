"""Metrics, alerts and pictures of both: Prometheus, Alertmanager, Grafana."""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import pulumi

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.dashboards import LABEL, dashboards
from infra.platform.istio import SECCOMP
from infra.platform.login import USER
from infra.platform.namespace import METRICS as HOME
from infra.platform.namespace import Allow, NamespaceArgs, Quota
from infra.platform.notices import ACCOUNT, Topic, routes
from infra.platform.pages import GRAFANA, route
from infra.platform.release import Chart, release
from infra.platform.rules import rules
from infra.platform.secrets import fingerprint, secret
from infra.platform.surroundings import NOT_ON_SPOT

CHART = Chart(
    "kube-prometheus-stack",
    versions.KUBE_PROMETHEUS_STACK,
    "https://prometheus-community.github.io/helm-charts",
)
ADMIN = "grafana-admin"
PROMETHEUS = f"http://prometheus-operated.{HOME}:9090"
NAMESPACE = NamespaceArgs(
    [
        Allow("webhook", (10250,), pods={"app": "kube-prometheus-stack-operator"}),
        Allow("page", (3000,), ("istio-ingress",), {"app.kubernetes.io/name": "grafana"}),
        Allow("queries", (9090,), ("keda", "serving"), {"app.kubernetes.io/name": "prometheus"}),
        Allow("logs", (3100,), ("kube-system",), {"app.kubernetes.io/name": "loki"}),
        Allow("traces", (4317, 4318), ("serving", "istio-ingress", "knative-serving"), {"app": "otel-collector"}),
    ],
    quota=Quota(pods=60, cpu=24, memory_gib=96),
)


@dataclass(frozen=True)
class MonitoringArgs:
    """What monitoring needs from its surroundings.

    Attributes:
        namespace: its own.
        domain: of the gateway.
        url: where clients reach the gateway.
        storage_class: of Prometheus' and Alertmanager's volumes.
        replicas: of Prometheus and Alertmanager.
        retention_days: how long metrics are kept.
        password: of Grafana's admin; a secret.
        logs: whether Loki is there for Grafana to ask.
        traces: whether Jaeger is.
        avoid_spot: whether Prometheus, whose volume is its own, keeps off spot nodes.
        topic: whose subscribers hear of alerts; none: who wants to know of them looks.
    """

    namespace: str
    domain: pulumi.Input[str]
    url: pulumi.Input[str]
    storage_class: str
    replicas: int
    retention_days: int
    password: pulumi.Output[str]
    logs: bool = True
    traces: bool = True
    avoid_spot: bool = False
    topic: Topic | None = None


class Monitoring(pulumi.ComponentResource):
    """The operator of Prometheus and what it runs, with our rules and dashboards."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Monitoring", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        admin = apply(secret(ADMIN, args.namespace, {"admin-user": USER, "admin-password": args.password}), name, child)
        chart = release(
            "monitoring",
            CHART,
            args.namespace,
            values(args),
            pulumi.ResourceOptions(parent=self, depends_on=[admin]),
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[chart])
        apply(route(GRAFANA, args.domain), name, after)
        told = [make(args.namespace) for make in (monitors, rules, dashboards)]
        heard = [routes(args.namespace, args.topic)] if args.topic else []
        for manifest in chain(*told, heard):
            apply(manifest, f"{name}-{manifest['metadata']['name']}", after)
        self.register_outputs({})


def values(args: MonitoringArgs) -> dict[str, Any]:
    """What the chart is told: every monitor and rule in the cluster counts, whoever made it."""
    volume = {
        "spec": {
            "storageClassName": args.storage_class,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{20 + 2 * args.retention_days}Gi"}},
        }
    }
    role = {"eks.amazonaws.com/role-arn": args.topic.role} if args.topic else {}
    anybody = {f"{kind}SelectorNilUsesHelmValues": False for kind in ("serviceMonitor", "podMonitor", "rule", "probe")}
    return {
        "fullnameOverride": "kube-prometheus-stack",
        "crds": {"enabled": True},
        # Of EKS and Kind alike, these do not answer to anybody in the cluster.
        **{part: {"enabled": False} for part in ("kubeControllerManager", "kubeScheduler", "kubeEtcd", "kubeProxy")},
        "prometheusOperator": {"resources": _resources("50m", "128Mi")},
        "prometheus": {
            "prometheusSpec": {
                **anybody,
                "replicas": args.replicas,
                "retention": f"{args.retention_days}d",
                "storageSpec": {"volumeClaimTemplate": volume},
                "affinity": NOT_ON_SPOT if args.avoid_spot else {},
                "resources": _resources("200m", "1Gi", "4Gi"),
            }
        },
        "alertmanager": {
            "serviceAccount": {"name": ACCOUNT, "annotations": role},
            "alertmanagerSpec": {
                "replicas": args.replicas,
                "retention": "120h",
                "resources": _resources("20m", "64Mi"),
                # Routes are AlertmanagerConfigs of any namespace, and hold for all of them.
                "alertmanagerConfigMatcherStrategy": {"type": "None"},
            },
        },
        "kube-state-metrics": {"resources": _resources("20m", "128Mi")},
        # Looks at the node itself, so it runs with the other agents of nodes.
        "prometheus-node-exporter": {"namespaceOverride": "kube-system", "resources": _resources("20m", "64Mi")},
        "grafana": grafana(args),
    }


def grafana(args: MonitoringArgs) -> dict[str, Any]:
    """Grafana: no state of its own, dashboards from ConfigMaps, the one generated password."""
    sources: list[dict[str, Any]] = []
    if args.logs:
        sources.append({"name": "Loki", "uid": "loki", "type": "loki", "url": f"http://loki.{HOME}:3100"})
    if args.traces:
        sources.append({"name": "Jaeger", "uid": "jaeger", "type": "jaeger", "url": f"http://jaeger.{HOME}:16686"})
    root = pulumi.Output.concat(args.url, GRAFANA.path, "/")
    return {
        "fullnameOverride": GRAFANA.service,
        "admin": {"existingSecret": ADMIN, "userKey": "admin-user", "passwordKey": "admin-password"},
        "podAnnotations": {"modelserve/password": fingerprint(args.password)},
        "initChownData": {"enabled": False},
        "testFramework": {"enabled": False},
        "resources": _resources("50m", "256Mi"),
        "securityContext": {"runAsNonRoot": True, "runAsUser": 472, "fsGroup": 472, "seccompProfile": SECCOMP},
        "additionalDataSources": sources,
        "sidecar": {"dashboards": {"enabled": True, "searchNamespace": "ALL", "label": LABEL}},
        "grafana.ini": {
            "server": {"root_url": root, "serve_from_sub_path": True},
            "users": {"allow_sign_up": False},
            "auth.anonymous": {"enabled": False},
            "analytics": {"reporting_enabled": False, "check_for_updates": False},
            "security": {"cookie_secure": True, "disable_gravatar": True},
        },
    }


def monitors(namespace: str) -> list[Manifest]:
    """Envoys of the mesh, side-cars and gateway alike; and the apps, whose metrics their side-cars hand out."""
    pod = "__meta_kubernetes_pod"
    return [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": {"name": "apps", "namespace": namespace},
            "spec": {
                "namespaceSelector": {"matchNames": ["serving"]},
                "selector": {"matchExpressions": [{"key": "security.istio.io/tlsMode", "operator": "Exists"}]},
                "podMetricsEndpoints": [
                    {
                        "path": "/stats/prometheus",
                        "interval": "15s",
                        # As in Istio's own samples: the side-car's injector puts its port into the annotation.
                        "relabelings": [
                            {"action": "keep", "sourceLabels": [f"{pod}_container_name"], "regex": "istio-proxy"},
                            {"action": "keep", "sourceLabels": [f"{pod}_annotationpresent_prometheus_io_scrape"]},
                            {
                                "sourceLabels": [f"{pod}_ip", f"{pod}_annotation_prometheus_io_port"],
                                "separator": ":",
                                "targetLabel": "__address__",
                            },
                            # What the same metrics have on one machine (stacks/local.py).
                            *(
                                {"sourceLabels": [f"{pod}_label_app_kubernetes_io_{told}"], "targetLabel": label}
                                for told, label in (("name", "app"), ("component", "role"), ("version", "revision"))
                            ),
                        ],
                        # The proxy's own are scraped as those of all others are.
                        "metricRelabelings": [
                            {"action": "drop", "sourceLabels": ["__name__"], "regex": "(istio|envoy|pilot)_.*"}
                        ],
                    }
                ],
            },
        },
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": {"name": "envoys", "namespace": namespace},
            "spec": {
                "namespaceSelector": {"any": True},
                "selector": {"matchExpressions": [{"key": "security.istio.io/tlsMode", "operator": "Exists"}]},
                "podMetricsEndpoints": [
                    {"portNumber": 15090, "path": "/stats/prometheus", "interval": "30s"},
                ],
            },
        },
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": {"name": "gateway", "namespace": namespace},
            "spec": {
                "namespaceSelector": {"matchNames": ["istio-ingress"]},
                "selector": {"matchLabels": {"istio": "ingressgateway"}},
                "podMetricsEndpoints": [
                    {"portNumber": 15090, "path": "/stats/prometheus", "interval": "15s"},
                ],
            },
        },
    ]


def _resources(cpu: str, memory: str, most: str | None = None) -> dict[str, Any]:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": most or memory}}
