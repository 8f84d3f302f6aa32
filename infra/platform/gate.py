"""Waits until a webhook answers: a chart that is installed is not yet one whose webhook can be called."""

import hashlib
import json
from dataclasses import dataclass

import pulumi

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.workload import Container, job, service_account


@dataclass(frozen=True)
class GateArgs:
    """What is tried.

    Attributes:
        namespace: where it is tried.
        probe: an object that the webhook looks at; it is never kept. Plain values alone.
        resource: its plural and group, for example ``inferenceservices.serving.kserve.io``.
        version: of what is waited for; another one is waited for again.
    """

    namespace: str
    probe: Manifest
    resource: str
    version: str


class Gate(pulumi.ComponentResource):
    """A Job that ends when the API server, webhook and all, would take an object."""

    passed: pulumi.CustomResource
    """What needs the webhook depends on this."""

    def __init__(self, name: str, args: GateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Gate", name, None, opts)
        *before, tried = manifests(name, args)
        rights = [apply(m, f"{name}-{m['kind'].lower()}", pulumi.ResourceOptions(parent=self)) for m in before]
        self.passed = apply(tried, name, pulumi.ResourceOptions(parent=self, depends_on=rights))
        self.register_outputs({})


def manifests(name: str, args: GateArgs) -> list[Manifest]:
    """The probe, the right to try it and nothing else, and the Job."""
    plural, _, group = args.resource.partition(".")
    place = {"name": name, "namespace": args.namespace}
    probe = json.dumps(args.probe, indent=2, sort_keys=True)
    # A finished Job does nothing again, and its pod cannot change.
    digest = hashlib.sha256(f"{args.version}{probe}".encode()).hexdigest()[:8]
    container = Container(
        versions.KUBECTL,
        {},
        args=("create", "--dry-run=server", "--filename=/probe/probe.json"),
        mounts={"probe": "/probe"},
        memory="64Mi",
        cpu="20m",
        user=65532,
    )
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": place, "data": {"probe.json": probe}},
        service_account(name, args.namespace),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": place,
            "rules": [{"apiGroups": [group], "resources": [plural], "verbs": ["create"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": place,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": args.namespace}],
        },
        job(
            f"{name}-{digest}",
            args.namespace,
            container,
            app=name,
            volumes=[{"name": "probe", "configMap": {"name": name}}],
            account=name,
        ),
    ]
