"""What every stack tells the world about itself."""

from pydantic import BaseModel


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
