"""The gateway's routes: what Envoy learns from files while it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra.local.home import Home, LocalError
from infra.local.provider import Provider
from infra.local.xds import NAME, admin, rendered, swap
from infra.serving.envoy import wire

if TYPE_CHECKING:
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
        if any(_olds.get(name) != _news[name] for name in ("apps", "versions", "state")):
            return DiffResult(changes=True)
        return DiffResult(changes=_state(_news) == "DRIFTED")

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Apply them in place."""
        return UpdateResult(self._apply(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether Envoy works with them; gone when their files are."""
        if not swap(Home(props["home"])).present():
            return ReadResult(None, {})
        now: dict[str, Any] = {"versions": {}, **props, "state": _state(props)}
        # State is an input too, "APPLIED" in every program: a refresh compares what is with what was asked for.
        return ReadResult(id_, now, {name: now[name] for name in ("home", "apps", "versions", "state")})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Take all apps out; the gateway then answers 404."""
        home = Home(_props["home"])
        nothing = rendered(home, ())
        try:
            swap(home).apply(nothing)
        except OSError:
            swap(home).write(nothing)

    def _apply(self, props: dict[str, Any]) -> dict[str, Any]:
        home = Home(props["home"])
        try:
            swap(home).apply(rendered(home, props["apps"]))
        except OSError as error:
            raise LocalError(f"{error}\n  make up starts the gateway again.") from error
        return {**props, "state": "APPLIED"}


def versions(home: str, apps: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The version of each file that leads to these apps: an input, so that a plan need not render them to compare."""
    return {name: wire.version(content) for name, content in rendered(Home(home), apps).items()}


def _state(props: Mapping[str, Any]) -> str:
    """APPLIED, DRIFTED, or UNREACHABLE when Envoy does not say."""
    home = Home(props["home"])
    try:
        taken = admin(home).versions()
    except OSError:
        return "UNREACHABLE"
    lying = {name: wire.version(content) for name, content in swap(home).present().items()}
    return "APPLIED" if taken == lying == props.get("versions") else "DRIFTED"


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

    spec: "ServingSpec"
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
        files = pulumi.Output.all(home=args.home, apps=apps).apply(lambda told: versions(**told))
        _Routes(name, {"home": args.home, "apps": apps, "versions": files}, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


def _told(app: RoutedApp) -> dict[str, Any]:
    revisions = {"stable": app.stable, **({"canary": app.canary} if app.canary else {})}
    return {
        **app.spec.model_dump(mode="json", include={"name", "summary", "routes", "traffic"}),
        **{role: {"version": each.version, "endpoints": each.endpoints} for role, each in revisions.items()},
    }
