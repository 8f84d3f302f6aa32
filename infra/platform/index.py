"""What the gateway answers at ``/``: the apps behind it. A health check from outside asks there, too."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.gateway import HOME
from infra.platform.gateway import NAME as GATEWAY
from infra.platform.workload import Container, deployment, disruption_budget, service
from infra.serving.index import index
from infra.serving.routes import public
from infra.serving.spec import ServingSpec

NAME, PORT = "index", 8080
CONFIGURATION = f"""\
server {{
  listen {PORT};
  access_log off;
  default_type application/json;
  location = /ready {{ return 204; }}
  location = / {{
    root /etc/index;
    try_files /index.json =404;
  }}
  location / {{ return 404; }}
}}
"""


@dataclass(frozen=True)
class IndexArgs:
    """What the index needs from its surroundings.

    Attributes:
        namespace: the gateway's.
        domain: of the gateway.
        replicas: pods that answer.
        specs: all apps.
    """

    namespace: str
    domain: pulumi.Input[str]
    replicas: int
    specs: Sequence[ServingSpec]


class Index(pulumi.ComponentResource):
    """The list of apps, as every target's gateway has it."""

    def __init__(self, name: str, args: IndexArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Index", name, None, opts)
        for manifest in manifests(args):
            apply(manifest, f"{name}-{manifest['kind'].lower()}", pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


def manifests(args: IndexArgs) -> list[Manifest]:
    """One small server and the way to it."""
    listed = index([(spec, spec.version) for spec in args.specs if public(spec)])
    files = {"default.conf": CONFIGURATION, "index.json": json.dumps(listed, indent=2) + "\n"}
    container = Container(
        versions.NGINX,
        {"http": PORT},
        ready="/ready",
        mounts={"configuration": "/etc/nginx/conf.d", "index": "/etc/index"},
        memory="64Mi",
        cpu="20m",
        user=101,
    )
    volumes = [
        {"name": volume, "configMap": {"name": NAME, "items": [{"key": file, "path": file}]}}
        for volume, file in (("configuration", "default.conf"), ("index", "index.json"))
    ]
    changes = {"modelserve/files": hashlib.sha256(str(files).encode()).hexdigest()[:8]}
    made = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": args.namespace},
            "data": files,
        },
        deployment(NAME, args.namespace, container, replicas=args.replicas, volumes=volumes, changes=changes),
        service(NAME, args.namespace, {"http": PORT}),
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": NAME, "namespace": args.namespace},
            "spec": {
                "parentRefs": [{"name": GATEWAY, "namespace": HOME}],
                "hostnames": [args.domain],
                "rules": [
                    {
                        "matches": [{"path": {"type": "Exact", "value": "/"}}],
                        "backendRefs": [{"name": NAME, "port": PORT}],
                    }
                ],
            },
        },
    ]
    return [*made, disruption_budget(NAME, args.namespace)] if args.replicas > 1 else made
