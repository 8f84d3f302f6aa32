"""An app on a cluster: everything that one serving spec becomes there."""

from dataclasses import dataclass

import pulumi

from infra.kubernetes import Manifest, apply
from infra.serving import deployment, kserve, mesh, network, ray, routes
from infra.serving.cluster import Around
from infra.serving.revision import of_app, revisions
from infra.serving.spec import ServingSpec

WORKLOAD = {"knative": kserve.render, "standard": kserve.render, "deployment": deployment.render, "ray": ray.render}


def render(spec: ServingSpec, around: Around) -> list[Manifest]:
    """All manifests of an app, in the order in which they may be applied.

    Raises:
        ValueError: the app cannot run there, or asks for what its surroundings do not have; the message says which.
    """
    return [manifest for stage in stages(spec, around) for manifest in stage]


def stages(spec: ServingSpec, around: Around) -> list[list[Manifest]]:
    """The manifests of an app: who it is and whom it reaches; what runs; how requests get there.

    A stage waits for the one before: routes lead to what is ready, and no pod starts unguarded.

    Raises:
        ValueError: as `render`.
    """
    workloads = [one for each in revisions(spec) for one in WORKLOAD[each.runs_on](spec, each, around)]
    return [
        [_account(spec, around), *network.render(spec, around)],
        workloads,
        [*mesh.render(spec, around), *routes.render(spec, around)],
    ]


def _account(spec: ServingSpec, around: Around) -> Manifest:
    role = around.service_account_role
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": spec.name,
            "namespace": around.namespace,
            "labels": of_app(spec.name),
            **({"annotations": {"eks.amazonaws.com/role-arn": role}} if role is not None else {}),
        },
        "automountServiceAccountToken": False,
    }


@dataclass(frozen=True)
class AppArgs:
    """What an app on a cluster needs.

    Attributes:
        spec: what it is.
        around: what it finds.
    """

    spec: ServingSpec
    around: Around


class App(pulumi.ComponentResource):
    """An app and the ways to it."""

    urls: pulumi.Output[list[str]]
    """Where the gateway answers for it, once it does; none for an internal app."""

    def __init__(self, name: str, args: AppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:serving:App", name, None, opts)
        before: list[pulumi.CustomResource] = []
        for stage in stages(args.spec, args.around):
            after = pulumi.ResourceOptions(parent=self, depends_on=before)
            before = [apply(manifest, _called(name, manifest), after) for manifest in stage]
        prefixes = [route.prefix for route in args.spec.routes] if routes.public(args.spec) else []
        self.urls = pulumi.Output.all(args.around.domain, *(made.id for made in before)).apply(
            lambda known: [f"https://{known[0]}{prefix}" for prefix in prefixes]
        )
        self.register_outputs({"urls": self.urls})


def _called(name: str, manifest: Manifest) -> str:
    own = str(manifest["metadata"]["name"])
    return own if own.startswith(name) else f"{name}-{own}"
