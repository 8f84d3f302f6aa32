"""What a stack with a Kubernetes cluster can be told, whoever makes the cluster."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from infra import versions
from infra.serving.traffic import Frozen


def like(pattern: str, what: str) -> AfterValidator:
    """Text of a pattern; other text is refused as not ``what``."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} is not {what}")
        return value

    return AfterValidator(check)


Domain = Annotated[
    str,
    Field(max_length=253),
    like(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?", "a host name like models.example.com"),
]
"""A host name in lower case with at least one dot."""


class Kind(Frozen):
    """A cluster on this machine.

    Attributes:
        context: use this context of the kubeconfig instead of making a cluster.
        registry_port: where the images' registry listens on the loopback address.
        kubernetes: minor of Kubernetes that the nodes run.
    """

    context: str | None = None
    registry_port: int = Field(default=5001, ge=1024, le=65535)
    kubernetes: Annotated[str, like(r"1\.\d{2}", "a minor of Kubernetes like 1.35")] = versions.EKS


class Components(Frozen):
    """Parts that a platform can do without; all are on.

    Attributes:
        kubeflow: Argo Workflows and Kubeflow Pipelines: training on the cluster.
        kuberay: the Ray operator: apps that are composed of several models.
        mlflow: experiments and the model registry.
        logs: Loki and Alloy.
        tracing: Jaeger and the OpenTelemetry collector.
    """

    kubeflow: bool = True
    kuberay: bool = True
    mlflow: bool = True
    logs: bool = True
    tracing: bool = True


class Platform(Frozen):
    """What any cluster gets.

    Attributes:
        domain: apps answer under it; none makes one of the cluster's address (``<ip>.sslip.io``). On AWS the domain
            is ``aws.domain``, which has a certificate.
        retention_days: how long metrics, logs and traces are kept.
        components: which parts run.
    """

    domain: Domain | None = None
    retention_days: int = Field(default=15, ge=1, le=365)
    components: Components = Components()
