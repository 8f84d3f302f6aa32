"""The gateway's routes: what Envoy learns from files while it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra.local.home import Home, LocalError
from infra.local.provider import Provider
from infra.local.xds import NAME, admin, folder, swap
from infra.serving.envoy import files
from infra.serving.envoy.app import App
from infra.serving.spec import ServingSpec


class RoutesProvider(Provider):
    """Keeps the files of a running gateway as the apps want them."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Apply them."""
        return CreateResult(NAME, self._apply(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare with what Envoy works with, where that is known, and not only with what it was given."""
        if _olds["home"] != _news["home"]:
            return DiffResult(changes=True, replaces=["home"])
        # In a preview the ports of processes that do not run yet are unknown: they differ from any that was.
        if any(_olds[name] != _news[name] for name in ("apps", "state")):
            return DiffResult(changes=True)
        home = Home(_news["home"])
        return DiffResult(changes=_state(home, _wanted(home, _news)) == "DRIFTED")

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Apply them in place."""
        return UpdateResult(self._apply(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether Envoy works with them; gone when their files are."""
        home = Home(props["home"])
        if not swap(home).present():
            return ReadResult(None, {})
        now = {**props, "state": _state(home, _wanted(home, props))}
        # State is an input too, "APPLIED" in every program: a refresh compares what is with what was asked for.
        return ReadResult(id_, now, {name: now[name] for name in ("home", "apps", "state")})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Take all apps out; the gateway then answers 404."""
        home = Home(_props["home"])
        nothing = files.traffic_files(folder(home), ())
        try:
            swap(home).apply(nothing)
        except OSError:
            swap(home).write(nothing)

    def _apply(self, props: dict[str, Any]) -> dict[str, Any]:
        home = Home(props["home"])
        try:
            swap(home).apply(_wanted(home, props))
        except OSError as error:
            raise LocalError(f"{error}\n  pulumi up -s local --refresh starts the gateway again.") from error
        return {**props, "state": "APPLIED"}


def _wanted(home: Home, props: dict[str, Any]) -> dict[str, str]:
    return files.traffic_files(folder(home), tuple(App.model_validate(app) for app in props["apps"]))


def _state(home: Home, wanted: dict[str, str]) -> str:
    """APPLIED, DRIFTED, or UNREACHABLE when Envoy does not say."""
    try:
        versions = admin(home).versions()
    except OSError:
        return "UNREACHABLE"
    right = swap(home).present() == wanted and versions == {name: files.version(each) for name, each in wanted.items()}
    return "APPLIED" if right else "DRIFTED"


class _Routes(Resource, module="local", name="Routes"):
    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(RoutesProvider(), name, {**props, "state": "APPLIED"}, opts)


@dataclass(frozen=True)
class RevisionArgs:
    """One version of an app.

    Attributes:
        version: as callers see it.
        endpoints: ``host:port`` of each instance.
    """

    version: str
    endpoints: pulumi.Input[list[str]]


@dataclass(frozen=True)
class RoutedApp:
    """One app behind the gateway.

    Attributes:
        spec: says its name, summary, routes and traffic policy.
        stable: the version that answers.
        canary: the version beside it; given if, and only if, the policy has one.
    """

    spec: ServingSpec
    stable: RevisionArgs
    canary: RevisionArgs | None = None


@dataclass(frozen=True)
class RoutesArgs:
    """What the gateway leads to.

    Attributes:
        home: the gateway's ``home``.
        apps: all apps that have routes.
    """

    home: pulumi.Input[str]
    apps: Sequence[RoutedApp]


class Routes(pulumi.ComponentResource):
    """The gateway's routes: changed under the running Envoy, without a lost request."""

    def __init__(self, name: str, args: RoutesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:local:Routes", name, None, opts)
        apps = [_told(app) for app in sorted(args.apps, key=lambda app: app.spec.name)]
        _Routes(name, {"home": args.home, "apps": apps}, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


def _told(app: RoutedApp) -> dict[str, Any]:
    revisions = {"stable": app.stable, **({"canary": app.canary} if app.canary else {})}
    return {
        **app.spec.model_dump(mode="json", include={"name", "summary", "routes", "traffic"}),
        **{role: {"version": each.version, "endpoints": each.endpoints} for role, each in revisions.items()},
    }
