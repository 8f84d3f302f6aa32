"""Traces: a collector that everybody sends to, and Jaeger that keeps the last ones."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import pulumi

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.namespace import METRICS as HOME
from infra.platform.workload import Container, deployment, disruption_budget, service

COLLECTOR, JAEGER, GRPC, HTTP, PAGE, HEALTH = "otel-collector", "jaeger", 4317, 4318, 16686, 13133
ADDRESS = (f"{COLLECTOR}.{HOME}.svc.cluster.local", GRPC)
KEPT = 50_000
"""Traces in Jaeger's memory, the latest; some 500 MB."""


@dataclass(frozen=True)
class TracingArgs:
    """What traces need from their surroundings.

    Attributes:
        namespace: theirs.
        replicas: of the collector.
    """

    namespace: str
    replicas: int


class Tracing(pulumi.ComponentResource):
    """An OpenTelemetry collector and Jaeger."""

    def __init__(self, name: str, args: TracingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Tracing", name, None, opts)
        for manifest in manifests(args):
            kind, own = manifest["kind"].lower(), manifest["metadata"]["name"]
            apply(manifest, f"{name}-{kind}-{own}", pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


def manifests(args: TracingArgs) -> list[Manifest]:
    """Both, each with its configuration."""
    listening = {"protocols": {"grpc": {"endpoint": f"0.0.0.0:{GRPC}"}, "http": {"endpoint": f"0.0.0.0:{HTTP}"}}}
    health = {"endpoint": f"0.0.0.0:{HEALTH}"}
    collector: dict[str, Any] = {
        "receivers": {"otlp": listening},
        "processors": {
            # Drops what comes in before memory runs out, not the process after.
            "memory_limiter": {"check_interval": "1s", "limit_percentage": 80, "spike_limit_percentage": 20},
            "batch": {},
        },
        "exporters": {"otlp/jaeger": {"endpoint": f"{JAEGER}:{GRPC}", "tls": {"insecure": True}}},
        "extensions": {"health_check": health},
        "service": {
            "extensions": ["health_check"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["memory_limiter", "batch"],
                    "exporters": ["otlp/jaeger"],
                }
            },
        },
    }
    jaeger: dict[str, Any] = {
        "receivers": {"otlp": listening},
        "processors": {"batch": {}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
        "extensions": {
            "healthcheckv2": {"use_v2": True, "http": health},
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": KEPT}}}},
            "jaeger_query": {"storage": {"traces": "memory"}, "http": {"endpoint": f"0.0.0.0:{PAGE}"}},
        },
        "service": {
            "extensions": ["healthcheckv2", "jaeger_storage", "jaeger_query"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["batch"],
                    "exporters": ["jaeger_storage_exporter"],
                }
            },
        },
    }
    made = [
        *_part(COLLECTOR, versions.OTEL_COLLECTOR, {"grpc": GRPC, "http": HTTP}, collector, args),
        *_part(JAEGER, versions.JAEGER, {"page": PAGE, "grpc": GRPC, "http": HTTP}, jaeger, args),
    ]
    return [*made, disruption_budget(COLLECTOR, args.namespace)] if args.replicas > 1 else made


def _part(
    name: str, image: str, ports: dict[str, int], configuration: dict[str, Any], args: TracingArgs
) -> list[Manifest]:
    container = Container(
        image,
        {"health": HEALTH, **ports},
        # Version 2 of the health check answers under this path alone.
        ready="/status" if name == JAEGER else "/",
        args=("--config=/etc/configuration/configuration.yaml",),
        mounts={"configuration": "/etc/configuration"},
        memory="1Gi" if name == JAEGER else "256Mi",
        user=10001,
    )
    volumes = [{"name": "configuration", "configMap": {"name": name}}]
    # What is in Jaeger's memory is in one memory.
    replicas = 1 if name == JAEGER else args.replicas
    # JSON is YAML.
    written = json.dumps(configuration, indent=2)
    changes = {"modelserve/configuration": hashlib.sha256(written.encode()).hexdigest()[:8]}
    pods = deployment(name, args.namespace, container, replicas=replicas, volumes=volumes, changes=changes)
    if name == JAEGER:
        # Two of them would each know half.
        pods["spec"]["strategy"] = {"type": "Recreate"}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": args.namespace},
            "data": {"configuration.yaml": written},
        },
        pods,
        service(name, args.namespace, ports),
    ]
