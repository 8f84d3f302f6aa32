"""What every stack tells the world about itself."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:  # the commands that read this wait for neither
    import pulumi

    from infra.serving.spec import ServingSpec


class Version(BaseModel):
    """A version of an app.

    Attributes:
        label: version of its model, or ``current`` for an app without one.
        weight: per cent of the requests that it answers.
        mirror: per cent of the requests that it gets a copy of.
        addresses: URL of each instance, on one machine.
        logs: log file of each instance, on one machine.
    """

    label: str
    weight: int = 100
    mirror: int = 0
    addresses: list[str] = []
    logs: list[str] = []


class App(BaseModel):
    """An app.

    Attributes:
        summary: what it does.
        urls: where the gateway answers for it; none for an internal app.
        versions: stable first, then the canary if there is one.
    """

    summary: str
    urls: list[str]
    versions: list[Version]


class Deployment(BaseModel):
    """A platform.

    Attributes:
        gateway: URL of the way in.
        apps: by name.
        services: what the apps stand on, by name: a URL, or ``host:port``.
    """

    gateway: str
    apps: dict[str, App] = {}
    services: dict[str, str] = {}


def tell(
    gateway: "pulumi.Input[str]", specs: "Sequence[ServingSpec]", services: "Mapping[str, pulumi.Input[str]]"
) -> None:
    """Export the deployment of a stack whose apps run on a cluster, where nobody is told single instances."""
    import pulumi  # noqa: PLC0415 - there already in a plan

    told = pulumi.Output.all(gateway=gateway, services=dict(services)).apply(
        lambda known: Deployment(
            gateway=known["gateway"],
            apps={spec.name: _app(spec, known["gateway"]) for spec in specs},
            services=known["services"],
        ).model_dump()
    )
    for name in Deployment.model_fields:
        pulumi.export(name, told[name])


def _app(spec: "ServingSpec", gateway: str) -> App:
    beside = spec.traffic.canary
    versions = [Version(label=spec.version, weight=100 - (beside.weight if beside else 0))]
    if beside:
        versions.append(Version(label=beside.version, weight=beside.weight, mirror=beside.mirror))
    urls = [f"{gateway}{route.prefix}" for route in spec.routes] if spec.public else []
    return App(summary=spec.summary, urls=urls, versions=versions)
