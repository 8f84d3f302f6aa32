"""A gateway of the tests' own: the real Envoy under a real supervisor, driven as the engine drives it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from infra.local import daemon, ports, routes
from infra.local.envoy import GatewayProvider
from infra.local.home import Home
from infra.local.routes import RoutesProvider
from tests.local.gateway.upstream import Upstream

Props = dict[str, Any]
Make = Callable[[], Upstream]


class Gateway:
    """Envoy in a folder, and its routes.

    Attributes:
        home: its folders.
        url: where it answers.
    """

    def __init__(self, root: Path) -> None:
        self.home = Home(str(root))
        daemon.ensure(self.home, print)
        self.port = ports.choose(1, start=1000, taken=())[0]
        self.props = {"home": str(root), "port": self.port, "retain": False, "state": "RUNNING"}
        self.made = GatewayProvider().create(self.props)
        self.url = f"http://127.0.0.1:{self.port}"
        self.routes = RoutesProvider().create(self._told(())).outs

    def end(self) -> None:
        GatewayProvider().delete(self.made.id, self.made.outs)
        daemon.shut_down(self.home, print)

    def lead_to(self, *apps: Props) -> None:
        """Change the routes, as ``pulumi up`` does."""
        self.routes = RoutesProvider().update("gateway", self.routes, self._told(apps)).outs

    def drifted(self, *apps: Props) -> bool:
        """Whether ``pulumi up`` would change the routes."""
        return bool(RoutesProvider().diff("gateway", self.routes, self._told(apps)).changes)

    def answers(self, path: str) -> bool:
        """Whether a request gets 200."""
        return ports.answers(self.port, path)

    def read(self) -> Props:
        """What ``pulumi refresh`` finds out about the process."""
        return GatewayProvider().read(self.made.id, self.made.outs).outs

    def pid(self) -> int:
        """Envoy's process id."""
        return self.read()["pids"][0]

    def mend(self) -> None:
        """What ``pulumi up`` does about a process that is not as it should be."""
        assert GatewayProvider().diff(self.made.id, self.made.outs, self.props).changes
        GatewayProvider().update(self.made.id, self.made.outs, self.props)

    def state(self) -> str:
        """What ``pulumi refresh`` finds out about the routes."""
        return RoutesProvider().read("gateway", self.routes).outs["state"]

    def metrics(self) -> str:
        """What Prometheus reads."""
        return httpx.get(f"http://{self.made.outs['metrics']}/stats/prometheus").text

    def _told(self, apps: tuple[Props, ...]) -> Props:
        versions = routes.versions(self.home.root, apps)
        return {"home": self.home.root, "apps": list(apps), "versions": versions, "state": "APPLIED"}


def app(*stable: Upstream, canary: Upstream | None = None, weight: int = 0, mirror: int = 0, **policy: Any) -> Props:
    """An app at ``/echo/``: instances of version 1.0.0, and with a canary one of 1.1.0; ``policy`` is the traffic's."""
    beside = {"canary": {"version": "1.1.0", "endpoints": [canary.endpoint]}} if canary else {}
    share = {"canary": {"version": "1.1.0", "weight": weight, "mirror": mirror}} if canary else {}
    return {
        "name": "echo",
        "summary": "Answers with what it was asked.",
        "routes": [{"prefix": "/echo/"}],
        "traffic": {**policy, **share},
        "stable": {"version": "1.0.0", "endpoints": [each.endpoint for each in stable]},
        **beside,
    }


def problem(answer: httpx.Response) -> dict[str, object]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.json()
