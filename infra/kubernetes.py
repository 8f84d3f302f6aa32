"""Any Kubernetes object, from its manifest, as the resource that Pulumi's own SDK would register for it."""

from importlib.metadata import version
from typing import Any

import pulumi

PLUGIN = version("pulumi-kubernetes")
"""Of the provider that the resources ask for."""

Manifest = dict[str, Any]
"""An object as YAML would write it; any value in it may be an ``Input``, its ``apiVersion``, kind and name may not."""


def apply(manifest: Manifest, name: str, opts: pulumi.ResourceOptions | None = None) -> pulumi.CustomResource:
    """Register an object of any kind, custom ones too.

    The SDK's typed classes would want Python's names in custom resources' place of YAML's, and its YAML components are
    made inside the plugin, where nothing that runs without it can look. The token is all that the provider goes by.

    Args:
        manifest: the object; it names itself, so that Pulumi makes up no name.
        name: of the resource in Pulumi, unique among those of its type.
        opts: with the provider of the cluster.

    Raises:
        ValueError: ``apiVersion``, ``kind`` or ``metadata.name`` is missing.
    """
    for key, found in (
        ("apiVersion", manifest.get("apiVersion")),
        ("kind", manifest.get("kind")),
        ("metadata.name", manifest.get("metadata", {}).get("name")),
    ):
        if not found:
            raise ValueError(
                f"The manifest for {name} has no {key}.\n  Give it one: {sorted(manifest)} is all there is."
            )
    own = pulumi.ResourceOptions(
        version=PLUGIN,
        additional_secret_outputs=["data", "stringData"] if token(manifest) == "kubernetes:core/v1:Secret" else None,
    )
    return pulumi.CustomResource(token(manifest), name, manifest, pulumi.ResourceOptions.merge(opts, own))


def token(manifest: Manifest) -> str:
    """Pulumi's type of an object: ``kubernetes:apps/v1:Deployment``; the group without a name is ``core``."""
    api = str(manifest["apiVersion"])
    return f"kubernetes:{api if '/' in api else f'core/{api}'}:{manifest['kind']}"
