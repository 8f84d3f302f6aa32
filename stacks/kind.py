"""A Kind cluster on this machine, or one that a kubeconfig knows, and on it what any cluster gets."""

from collections.abc import Sequence

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes import Provider

from infra.images import Images, ImagesArgs, lock_of
from infra.kind.cluster import Cluster, ClusterArgs
from infra.platform.gateway import NODE_PORT
from infra.platform.surroundings import Surroundings
from infra.serving.spec import ServingSpec
from infra.settings import CHECKOUT, Settings
from stacks import cluster
from stacks.outputs import tell

HERE = "127.0.0.1.sslip.io"
"""A name for this machine that needs no entry anywhere: sslip.io answers with the address in it."""


def deploy(settings: Settings, specs: Sequence[ServingSpec]) -> None:
    """The cluster, the images, and everything on it."""
    stack = pulumi.get_stack()
    name = f"{pulumi.get_project()}-{stack}"
    made = Cluster(
        name,
        ClusterArgs(
            folder=str(CHECKOUT / ".modelserve" / "kind"),
            kubernetes=settings.kind.kubernetes,
            registry_port=settings.kind.registry_port,
            published={settings.gateway.port: NODE_PORT},
            context=settings.kind.context,
        ),
    )
    images = Images(name, ImagesArgs(made.registry, {spec.name: lock_of(spec) for spec in specs}))
    # A path, and another one only for another cluster: what is on it is not replaced for new credentials.
    # After `kind delete cluster` nothing on it is left to delete.
    provider = Provider(name, kubeconfig=made.kubeconfig, delete_unreachable=True)
    around = Surroundings(
        stack=stack,
        domain=settings.platform.domain or HERE,
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
        images=images.references,
        port=settings.gateway.port,
        kubeconfig=made.kubeconfig,
    )
    pages = cluster.deploy(around, settings, specs, ResourceOptions(providers=[provider]))
    tell(around.url, specs, {"registry": made.registry, **pages})
    pulumi.export("kubeconfig", made.kubeconfig)
