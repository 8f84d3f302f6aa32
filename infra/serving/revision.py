"""The versions of an app that a cluster runs: the stable one, and a canary where the traffic policy has one."""

from dataclasses import dataclass
from typing import Literal

from infra.serving.cluster import Around
from infra.serving.spec import Model, RunsOn, ServingSpec, version_of

HTTP_PORT = 80
"""Of every service that leads to an app."""


@dataclass(frozen=True)
class Backend:
    """Where requests for a revision go.

    Attributes:
        service: a Service's name.
        namespace: where that is.
        port: its port.
        host: by which what stands behind the Service tells revisions apart; none where it leads to one alone.
    """

    service: str
    namespace: str
    port: int = HTTP_PORT
    host: str | None = None


@dataclass(frozen=True)
class Revision:
    """One version of an app.

    Attributes:
        app: the app's name.
        role: what it is for.
        model: what it serves; none for an app without one.
        runs_on: how.
    """

    app: str
    role: Literal["stable", "canary"]
    model: Model | None
    runs_on: RunsOn

    @property
    def name(self) -> str:
        """Of its objects, for example ``classifier-stable``; ``classifier`` itself is where other apps find the app."""
        return f"{self.app}-{self.role}"

    @property
    def version(self) -> str:
        """What it is called, on this machine too."""
        return version_of(self.model)

    @property
    def selector(self) -> dict[str, str]:
        """Labels by which its pods are found; they never change."""
        return {**of_app(self.app), "app.kubernetes.io/component": self.role}

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its objects."""
        # A build's +metadata is not allowed in a label.
        version = self.version.replace("+", "_")
        return {**self.selector, "app.kubernetes.io/version": version, "app.kubernetes.io/part-of": "modelserve"}

    def backend(self, around: Around) -> Backend:
        """Where its requests go."""
        if self.runs_on == "knative":
            namespace, service = around.knative_gateway.split("/")
            return Backend(service, namespace, host=f"{self.name}-predictor.{around.namespace}.svc.cluster.local")
        service = {"standard": f"{self.name}-predictor", "ray": f"{self.name}-serve-svc"}.get(self.runs_on, self.name)
        return Backend(service, around.namespace, RAY_PORT if self.runs_on == "ray" else HTTP_PORT)


RAY_PORT = 8000
"""Ray Serve's own, which KubeRay's Service has too."""


def of_app(name: str) -> dict[str, str]:
    """Labels that all pods of an app have."""
    return {"app.kubernetes.io/name": name}


def revisions(spec: ServingSpec) -> tuple[Revision, ...]:
    """Stable, then the canary.

    The canary of an app that scales to zero does not: its cold starts would be taken for its latency. See
    ``docs/decisions/cluster-traffic.md``.
    """
    stable = Revision(spec.name, "stable", spec.model, spec.way)
    if spec.canary_model is None:
        return (stable,)
    way = "standard" if spec.way == "knative" else spec.way
    return (stable, Revision(spec.name, "canary", spec.canary_model, way))
