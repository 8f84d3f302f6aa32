"""What an app finds in a cluster, whoever made it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pulumi import Input


@dataclass(frozen=True)
class Around:
    """What the platform has for one app.

    Attributes:
        namespace: of the apps; the mesh injects its sidecar into their pods.
        gateway: ``namespace/name`` of the Gateway that the app's routes join.
        gateway_labels: of the gateway's pods.
        domain: host name that the app answers at.
        image: container image of the app, named exactly.
        models_url: artefact store, for example ``s3://bucket/prefix``.
        service_account_role: ARN of the IAM role that the app's pods take; none off AWS.
        database_secret: Secret whose key ``url`` is the URL of the app's own database, password included.
        objects_url: where the app keeps its objects, for example ``s3://bucket/images``.
        cache_secret: Secret whose key ``url`` is the URL of Redis, password included.
        s3_endpoint: URL of an S3-compatible store in place of AWS'; none on AWS.
        s3_secret: Secret whose key ``credentials`` is a credentials file as AWS' own tools read it (``[default]``,
            ``aws_access_key_id``, ``aws_secret_access_key``); none where the pods take a role.
        s3_region: region of the buckets.
        registry_url: the model registry, ``mlflow+http://…``; none where there is none.
        reload_secret: Secret whose key ``token`` is asked for by ``POST /model/reload``; none leaves that off.
        replicas: pods at least of an app that does not scale to zero: 1, or 2 where it must survive a node.
        prometheus_url: where KEDA asks for an app's own metrics.
        database_namespace: where the database runs in this cluster; none outside of it.
        cache_namespace: where Redis runs, likewise.
        s3_namespace: where the S3-compatible store runs, likewise.
        registry_namespace: where the model registry runs.
        mesh_namespace: where istiod runs.
        knative_namespace: where Knative's activator and autoscaler run.
        metrics_namespace: where Prometheus runs.
        knative_gateway: ``namespace/name`` of the Service that leads to Knative's services by host name; a
            ``ReferenceGrant`` there lets HTTPRoutes of ``namespace`` use it.
        gpu_node_labels: labels of nodes with a GPU.
    """

    namespace: str
    gateway: str
    domain: Input[str]
    image: Input[str]
    models_url: Input[str]
    service_account_role: Input[str] | None = None
    database_secret: str | None = None
    objects_url: Input[str] | None = None
    cache_secret: str | None = None
    s3_endpoint: Input[str] | None = None
    s3_secret: str | None = None
    s3_region: str = "us-east-1"
    registry_url: str | None = None
    reload_secret: str | None = None
    replicas: int = 1
    prometheus_url: str = "http://prometheus-operated.observability:9090"
    database_namespace: str | None = None
    cache_namespace: str | None = None
    s3_namespace: str | None = None
    registry_namespace: str = "mlflow"
    mesh_namespace: str = "istio-system"
    knative_namespace: str = "knative-serving"
    metrics_namespace: str = "observability"
    knative_gateway: str = "istio-ingress/knative-local-gateway"
    gateway_labels: Mapping[str, str] = field(default_factory=lambda: {"istio": "ingressgateway"})
    gpu_node_labels: Mapping[str, str] = field(default_factory=lambda: {"modelserve/pool": "gpu"})
