"""What every target's gateway answers at ``/``: the apps behind it, and the versions of each."""

from collections.abc import Sequence
from typing import Any, Protocol

from infra.serving.spec import Route
from infra.serving.traffic import TrafficPolicy


class Listed(Protocol):
    """An app, as a target knows it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def summary(self) -> str:
        """What it does."""
        ...

    @property
    def routes(self) -> tuple[Route, ...]:
        """Its paths."""
        ...

    @property
    def traffic(self) -> TrafficPolicy:
        """How requests reach its versions."""
        ...


def index(apps: Sequence[tuple[Listed, str]]) -> dict[str, Any]:
    """The list, by name; each app comes with the version that is stable."""
    return {"apps": [_entry(app, stable) for app, stable in sorted(apps, key=lambda each: each[0].name)]}


def _entry(app: Listed, stable: str) -> dict[str, Any]:
    canary = app.traffic.canary
    weight = canary.weight if canary else 0
    versions: list[dict[str, Any]] = [{"version": stable, "role": "stable", "weight": 100 - weight}]
    if canary:
        versions.append({"version": canary.version, "role": "canary", "weight": weight, "mirror": canary.mirror})
    return {
        "name": app.name,
        "summary": app.summary,
        "paths": [route.prefix for route in app.routes],
        "docs": next((f"{route.prefix}docs" for route in app.routes if route.rewrite == "/"), None),
        "versions": versions,
    }
