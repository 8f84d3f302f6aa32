"""Logs: Alloy takes them from the nodes, Loki keeps them in the object store."""

from dataclasses import dataclass
from typing import Any

import pulumi

from infra import versions
from infra.platform.bucket import Bucket
from infra.platform.namespace import METRICS as HOME
from infra.platform.release import Chart, release
from infra.platform.surroundings import NOT_ON_SPOT

LOKI = Chart("loki", versions.LOKI, "https://grafana-community.github.io/helm-charts")
ALLOY = Chart("alloy", versions.ALLOY, "https://grafana.github.io/helm-charts")
ACCOUNT = "loki"

# Each node's Alloy takes the files of its own node, and the labels that queries begin with.
CONFIGURATION = f"""\
logging {{ level = "warn" }}

discovery.kubernetes "pods" {{
  role = "pod"
  selectors {{
    role  = "pod"
    field = "spec.nodeName=" + coalesce(sys.env("HOSTNAME"), constants.hostname)
  }}
}}

discovery.relabel "pods" {{
  targets = discovery.kubernetes.pods.targets
  rule {{
    source_labels = ["__meta_kubernetes_namespace"]
    target_label  = "namespace"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_pod_label_app"]
    target_label  = "app"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_pod_container_name"]
    target_label  = "container"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_pod_uid", "__meta_kubernetes_pod_container_name"]
    separator     = "/"
    replacement   = "/var/log/pods/*$1/*.log"
    target_label  = "__path__"
  }}
}}

local.file_match "pods" {{
  path_targets = discovery.relabel.pods.output
}}

loki.source.file "pods" {{
  targets    = local.file_match.pods.targets
  forward_to = [loki.process.pods.receiver]
}}

loki.process "pods" {{
  stage.cri {{}}
  stage.label_drop {{ values = ["filename"] }}
  forward_to = [loki.write.loki.receiver]
}}

loki.write "loki" {{
  endpoint {{ url = "http://loki.{HOME}.svc.cluster.local:3100/loki/api/v1/push" }}
}}
"""


@dataclass(frozen=True)
class LogsArgs:
    """What logs need from their surroundings.

    Attributes:
        namespace: Loki's.
        storage_class: of its volume, which holds only what is not yet in the bucket.
        retention_days: how long logs are kept.
        bucket: where they are kept.
        avoid_spot: whether Loki, which holds the last hours itself, keeps off spot nodes.
    """

    namespace: str
    storage_class: str
    retention_days: int
    bucket: Bucket
    avoid_spot: bool = False


class Logs(pulumi.ComponentResource):
    """Loki, and an Alloy on each node."""

    def __init__(self, name: str, args: LogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Logs", name, None, opts)
        loki = release("loki", LOKI, args.namespace, values(args), pulumi.ResourceOptions(parent=self))
        # Files of the node belong to the node's root, so it runs with the other agents of nodes.
        release("alloy", ALLOY, "kube-system", alloy(), pulumi.ResourceOptions(parent=self, depends_on=[loki]))
        self.register_outputs({})


def values(args: LogsArgs) -> dict[str, Any]:
    """What Loki's chart is told: one process that does everything, which carries some 50 GB of logs a day."""
    bucket = args.bucket
    s3: dict[str, Any] = {"region": bucket.region, "endpoint": f"s3.{bucket.region}.amazonaws.com"}
    keys: dict[str, Any] = {}
    if bucket.endpoint and bucket.secret:
        s3 |= {"endpoint": bucket.endpoint.removeprefix("http://"), "insecure": True}
        keys = {"extraEnvFrom": [{"secretRef": {"name": bucket.secret}}]}
    role = {} if bucket.role is None else {"annotations": {"eks.amazonaws.com/role-arn": bucket.role}}
    names = dict.fromkeys(("chunks", "ruler", "admin"), bucket.name)
    off = {"enabled": False}
    return {
        "deploymentMode": "Monolithic",
        "fullnameOverride": "loki",
        "serviceAccount": {"name": ACCOUNT, **role},
        "loki": {
            "auth_enabled": False,
            "commonConfig": {"replication_factor": 1},
            "storage": {
                "bucketNames": names,
                # The client that can keep to a part of a bucket.
                "use_thanos_objstore": True,
                "object_store": {"type": "s3", "storage_prefix": bucket.prefix, "s3": s3},
            },
            "schemaConfig": {
                "configs": [
                    {
                        "from": "2026-01-01",
                        "store": "tsdb",
                        "object_store": "s3",
                        "schema": "v13",
                        "index": {"prefix": "index_", "period": "24h"},
                    }
                ]
            },
            "limits_config": {"retention_period": f"{args.retention_days * 24}h"},
            "compactor": {"retention_enabled": True, "delete_request_store": "s3"},
            "analytics": {"reporting_enabled": False},
        },
        "singleBinary": {
            "replicas": 1,
            "persistence": {"enabled": True, "storageClass": args.storage_class, "size": "10Gi"},
            "affinity": NOT_ON_SPOT if args.avoid_spot else {},
            "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
            **keys,
        },
        **{part: {"replicas": 0} for part in ("read", "write", "backend")},
        "gateway": off,
        "chunksCache": off,
        "resultsCache": off,
        "lokiCanary": off,
        "test": off,
    }


def alloy() -> dict[str, Any]:
    """What Alloy's chart is told."""
    return {
        "crds": {"create": False},
        "controller": {"type": "daemonset", "tolerations": [{"operator": "Exists"}]},
        "alloy": {
            "configMap": {"content": CONFIGURATION},
            "enableReporting": False,
            "mounts": {"varlog": True},
            "resources": {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": False,
                "capabilities": {"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]},
            },
        },
    }
