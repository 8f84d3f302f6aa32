"""Renders an app into a Deployment of our own."""

from infra.kubernetes import Manifest
from infra.serving import scaling
from infra.serving.cluster import Around
from infra.serving.pod import PORT, annotations, callers, pod
from infra.serving.revision import HTTP_PORT, Revision
from infra.serving.spec import ServingSpec


def render(spec: ServingSpec, revision: Revision, around: Around) -> list[Manifest]:
    """The Deployment of a revision, the Service that leads to it, what scales it, and what keeps it up.

    Raises:
        ValueError: the app asks for what its surroundings do not have.
    """
    metadata: Manifest = {"name": revision.name, "namespace": around.namespace, "labels": revision.labels}
    template: Manifest = {
        "metadata": {"labels": {**revision.labels, **callers(spec)}, "annotations": annotations(spec)},
        "spec": pod(spec, revision, around, spec.name),
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            # How many is what scales it says: a number here would be fought over.
            "spec": {"selector": {"matchLabels": revision.selector}, "strategy": NEW_FIRST, "template": template},
        },
        service(revision.name, revision, around, PORT),
        scaling.render(spec, revision, around, revision.name),
        scaling.budget(revision, around),
    ]


def service(name: str, revision: Revision, around: Around, port: int) -> Manifest:
    """A Service that leads to a revision's pods, which listen on ``port``."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": around.namespace, "labels": revision.labels},
        "spec": {
            "type": "ClusterIP",
            "selector": revision.selector,
            "ports": [{"name": "http", "port": HTTP_PORT, "targetPort": port, "protocol": "TCP"}],
        },
    }


NEW_FIRST: Manifest = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
"""A pod goes when the one in its place is ready."""
