"""What the gateway is told about an app: where its versions listen and how traffic reaches them."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from infra.serving.spec import AppName, Route
from infra.serving.traffic import Frozen, TrafficPolicy

Endpoint = Annotated[str, StringConstraints(pattern=r"^[0-9.]+:[0-9]{1,5}$")]
"""Address and port of one instance, for example ``127.0.0.1:20017``."""


class Revision(Frozen):
    """One version of an app and the instances that serve it.

    Attributes:
        version: what callers see in ``x-modelserve-revision``, behind the app's name and ``@``.
        endpoints: its instances; with none the gateway answers 503.
    """

    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$")
    endpoints: tuple[Endpoint, ...]


class App(Frozen):
    """One app behind the gateway.

    Attributes:
        name: the app's name.
        summary: one sentence for the index.
        routes: its paths.
        traffic: its policy; ``traffic.canary`` says how much ``canary`` gets.
        stable: the version that answers.
        canary: the version beside it; there if, and only if, the policy has a canary.
    """

    name: AppName
    summary: str
    routes: tuple[Route, ...]
    traffic: TrafficPolicy
    stable: Revision
    canary: Revision | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.canary is None) != (self.traffic.canary is None):
            missing = "instances of it" if self.canary is None else "traffic.canary"
            raise ValueError(f"{self.name} has a canary without {missing}")
        if self.canary and self.canary.version == self.stable.version:
            raise ValueError(f"{self.name}'s canary and stable are both version {self.stable.version}")
        return self

    @property
    def revisions(self) -> tuple[Revision, ...]:
        """Stable, and canary where there is one."""
        return (self.stable, self.canary) if self.canary else (self.stable,)

    def label(self, revision: Revision) -> str:
        """Name of the revision among all apps, for example ``classifier@1.0.0``; also its cluster's name in Envoy."""
        return f"{self.name}@{revision.version}"
