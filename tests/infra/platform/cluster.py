"""Clusters without one: what the platform makes in its surroundings, and what waits for what."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pulumi
from pulumi import Output, ResourceOptions
from pulumi.runtime import mocks, rpc
from pulumi_kubernetes import Provider

from infra.platform.surroundings import CacheAt, DatabaseAt, EdgeAt, Surroundings
from infra.settings import Settings, serving_specs
from infra.settings.cluster import Platform
from stacks import cluster
from tests.recorder import Recorder

PASSWORD = "generated"
RELEASE = "kubernetes:helm.sh/v3:Release"

DEV = Surroundings(
    stack="dev",
    domain="127.0.0.1.sslip.io",
    region=None,
    storage_class="standard",
    models_url=None,
    data_url=None,
    logs_url=None,
    database=None,
    cache=None,
    edge=None,
    roles={},
    gpu=False,
    gpu_sharing="exclusive",
    replicas=1,
    images={},
    port=8443,
    kubeconfig="kubeconfig",
)
ROLE = "arn:aws:iam::123456789012:role/{}"
PROD = Surroundings(
    stack="prod",
    domain="models.example.com",
    region="eu-central-1",
    storage_class="gp3",
    models_url="s3://prod-models",
    data_url="s3://prod-data",
    logs_url="s3://prod-data/telemetry",
    database=DatabaseAt("db.example.com", 5432, "arn:aws:secretsmanager:eu-central-1:123456789012:secret:db"),
    cache=CacheAt("rediss://cache.example.com:6379", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:cache"),
    edge=EdgeAt("arn:aws:elasticloadbalancing:targets", "sg-1", "vpc-1"),
    roles={
        who: ROLE.format(who.replace("/", "-"))
        for who in (
            "external-secrets/external-secrets",
            "kube-system/aws-load-balancer-controller",
            "kube-system/cluster-autoscaler",
            "mlflow/mlflow",
            "observability/loki",
            "observability/alertmanager",
            "kubeflow/pipeline-runner",
            "serving/classifier",
        )
    },
    gpu=True,
    gpu_sharing="time-slicing",
    replicas=2,
    images={},
    cluster="modelserve-prod",
    topic_arn="arn:aws:sns:eu-central-1:123456789012:notices",
)


class Watched(Recorder):
    """Records also what each resource waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.edges: dict[str, set[str]] = {}
        self.urns: dict[tuple[str, str], str] = {}

    def run(self, program: Callable[[], Output[Any] | None]) -> Any:
        watched = self

        class Monitor(mocks.MockMonitor):
            def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - of the protocol
                answer = super().RegisterResource(request)
                watched.edges[answer.urn] = {*request.dependencies, request.parent} - {""}
                watched.urns[request.type, request.name] = answer.urn
                return answer

        monitor = Monitor(self)
        original = pulumi.runtime.set_mocks

        def with_monitor(*given: Any, **settings: Any) -> None:
            original(*given, **settings, monitor=monitor)

        pulumi.runtime.set_mocks = with_monitor
        try:
            return super().run(program)
        finally:
            pulumi.runtime.set_mocks = original

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        args.inputs = _plain(args.inputs)
        made, outputs = super().new_resource(args)
        if args.typ == "random:index/randomPassword:RandomPassword":
            outputs["result"] = f"{PASSWORD}-{args.name}"
        return made, outputs

    def waits(self, one: tuple[str, str], other: tuple[str, str]) -> bool:
        """Whether one resource is made after the other, by whatever way."""
        goal, seen, ahead = self.urns[other], set[str](), [self.urns[one]]
        while ahead:
            urn = ahead.pop()
            if urn == goal:
                return True
            fresh = self.edges.get(urn, set()) - seen
            seen |= fresh
            ahead += fresh
        return False

    def objects(self, kind: str = "") -> list[dict[str, Any]]:
        """The Kubernetes objects themselves, of one kind or all."""
        return [
            inputs
            for typ, _, inputs in self.resources
            if typ.startswith("kubernetes:") and "kind" in inputs and kind in ("", inputs["kind"])
        ]

    def object(self, kind: str, name: str) -> dict[str, Any]:
        """The one object of a kind and name."""
        [found] = [one for one in self.objects(kind) if one["metadata"]["name"] == name]
        return found

    def releases(self) -> dict[str, dict[str, Any]]:
        """Helm releases by name."""
        return {inputs["name"]: inputs for inputs in self.all(RELEASE)}


def _plain(value: Any) -> Any:
    """What is in a secret too."""
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def make(around: Surroundings, platform: Platform | None = None) -> Watched:
    """Run the platform and all apps in these surroundings."""
    settings = Settings(target="kind", platform=platform or Platform())
    specs = serving_specs(settings, "dev")
    images = {spec.name: f"registry.example.com/apps:1@sha256:{'0' * 64}" for spec in specs}
    seen = Watched()

    def program() -> Output[Any]:
        provider = Provider("cluster", kubeconfig="kubeconfig")
        here = ResourceOptions(providers=[provider])
        return Output.all(**cluster.deploy(replace(around, images=images), settings, specs, here))

    seen.run(program)
    return seen


@cache
def dev() -> Watched:
    """A laptop's cluster."""
    return make(DEV)


@cache
def prod() -> Watched:
    """AWS, several of everything."""
    return make(PROD)
