"""What the platform finds in a cluster, whoever made it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pulumi import Input, Output, Resource

GpuSharing = Literal["exclusive", "time-slicing", "mig"]
"""How pods share a GPU; the same words as the node groups of AWS take."""

NOT_ON_SPOT: dict[str, Any] = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "modelserve/pool", "operator": "NotIn", "values": ["spot"]}]}
            ]
        }
    }
}
"""The affinity of what has state: the taint of spot nodes keeps off only while there is room elsewhere."""


@dataclass(frozen=True)
class DatabaseAt:
    """A Postgres that runs outside the cluster.

    Attributes:
        host: its name.
        port: where it listens.
        secret_arn: RDS' managed master secret in Secrets Manager.
    """

    host: Input[str]
    port: Input[int]
    secret_arn: Input[str]


@dataclass(frozen=True)
class CacheAt:
    """A Redis that runs outside the cluster.

    Attributes:
        url: ``rediss://host:6379``, without the token.
        secret_arn: its token in Secrets Manager.
    """

    url: Input[str]
    secret_arn: Input[str]


@dataclass(frozen=True)
class EdgeAt:
    """The stack's own load balancer; a ``TargetGroupBinding`` joins the gateway to it.

    Attributes:
        target_group_arn: takes the gateway's pods.
        security_group_id: the load balancer's own group.
        vpc_id: the network of both; the controller that keeps the pods in cannot ask a node for it.
    """

    target_group_arn: Input[str]
    security_group_id: Input[str]
    vpc_id: Input[str]


@dataclass(frozen=True)
class Surroundings:
    """What the platform finds in a cluster, whoever made it.

    Attributes:
        stack: ``dev``, ``stage`` or ``prod``.
        domain: apps answer at ``https://<domain>/<prefix>``.
        region: AWS region; none off AWS.
        storage_class: for volumes of the platform's own stateful parts.
        models_url: ``s3://bucket/prefix`` of the artefact store; none: the platform runs an object store and uses that.
        data_url: training data, likewise.
        logs_url: objects of Loki and MLflow, likewise.
        database: none: the platform runs one Postgres itself.
        cache: none: the platform runs one Redis itself.
        edge: none: a plain Service of type LoadBalancer (Kind).
        roles: IRSA: ``<namespace>/<service account>`` to the ARN of its IAM role; empty off AWS. The platform looks for
            ``external-secrets/external-secrets``, ``kube-system/aws-load-balancer-controller``,
            ``kube-system/cluster-autoscaler``, ``mlflow/mlflow``, ``observability/loki``,
            ``observability/alertmanager`` (publishes on ``topic_arn``), ``kubeflow/pipeline-runner`` (steps of
            training) and ``kubeflow/ml-pipeline`` (the API), which both write under ``<data_url>/pipelines``, and
            ``serving/<app>``.
        gpu: whether there are GPU nodes (device plugin, DCGM).
        gpu_sharing: how pods share a GPU.
        replicas: of the platform's own stateless parts: 1, or 2 and more where it must survive a node.
        images: app to image reference, tagged by content.
        cluster: its name, for what AWS shows of it; none off AWS.
        port: where clients reach the gateway over TLS.
        published: what puts the apps' artefacts at ``models_url``; apps start after it.
        avoid_spot: whether what has state keeps off spot nodes; not where there are no others.
        topic_arn: SNS topic whose subscribers hear of alerts; none: nobody does.
        kubeconfig: its path, for commands on this machine; the platform needs it where it runs an object store.
    """

    stack: str
    domain: Input[str]
    region: str | None
    storage_class: str
    models_url: Input[str] | None
    data_url: Input[str] | None
    logs_url: Input[str] | None
    database: DatabaseAt | None
    cache: CacheAt | None
    edge: EdgeAt | None
    roles: Mapping[str, Input[str]]
    gpu: bool
    gpu_sharing: GpuSharing
    replicas: int
    images: Mapping[str, Input[str]]
    cluster: Input[str] | None = None
    port: int = 443
    published: Resource | None = None
    kubeconfig: Input[str] | None = None
    avoid_spot: bool = False
    topic_arn: Input[str] | None = None

    @property
    def url(self) -> Output[str]:
        """Where clients call, without a slash at the end."""
        return Output.concat("https://", self.domain, "" if self.port == 443 else f":{self.port}")
