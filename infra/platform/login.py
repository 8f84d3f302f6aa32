"""Who may see the platform's own pages: the gateway asks here before it lets anybody through."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_random as random

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.gateway import HOME, SELECTOR
from infra.platform.istio import LOGIN
from infra.platform.workload import Container, deployment, disruption_budget, service

PORT = 8080
ADDRESS = (f"{LOGIN}.{HOME}.svc.cluster.local", PORT)
USER = "admin"
SECRET = "platform-login"  # noqa: S105 - its name
"""Secret with the keys ``username`` and ``password``."""

CONFIGURATION = f"""\
server {{
  listen {PORT};
  access_log off;
  location = /ready {{ return 204; }}
  location / {{
    auth_basic "modelserve";
    auth_basic_user_file /etc/login/htpasswd;
    # A bare return would answer before the password is asked for (ngx_http_rewrite_module runs first).
    try_files /absent @known;
  }}
  location @known {{ return 200; }}
}}
"""


@dataclass(frozen=True)
class LoginArgs:
    """What the login needs from its surroundings.

    Attributes:
        namespace: the gateway's.
        replicas: pods that are asked.
        paths: prefixes at the gateway that only who is known may see.
    """

    namespace: str
    replicas: int
    paths: Sequence[str]


class Login(pulumi.ComponentResource):
    """One generated password for the platform's pages, and the policy that asks for it.

    Basic authentication over TLS, because everything that calls these pages can do it: browsers, MLflow's and Grafana's
    clients, curl. It needs no identity provider, which a laptop has not.
    """

    password: pulumi.Output[str]
    """A secret; Grafana takes the same one."""

    def __init__(self, name: str, args: LoginArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Login", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        generated = random.RandomPassword(name, length=32, special=False, opts=child)
        self.password = pulumi.Output.secret(generated.result)
        for manifest in manifests(args, self.password):
            apply(manifest, f"{name}-{manifest['kind'].lower()}", child)
        self.register_outputs({})


def manifests(args: LoginArgs, password: pulumi.Output[str]) -> list[Manifest]:
    """What is asked, its password, and who has to ask."""
    container = Container(
        versions.NGINX,
        {"http": PORT},
        ready="/ready",
        mounts={"configuration": "/etc/nginx/conf.d", "password": "/etc/login"},
        memory="64Mi",
        cpu="20m",
        user=101,
    )
    # The password is long and random, so that a slow hash would protect nothing and cost a core for each page.
    htpasswd = pulumi.Output.concat(USER, ":{PLAIN}", password, "\n")
    volumes = (
        {"name": "configuration", "configMap": {"name": LOGIN}},
        {"name": "password", "secret": {"secretName": SECRET, "items": [{"key": "htpasswd", "path": "htpasswd"}]}},
    )
    made = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": args.namespace},
            "data": {
                "username": _encoded(pulumi.Output.from_input(USER)),
                "password": _encoded(password),
                "htpasswd": _encoded(htpasswd),
            },
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": LOGIN, "namespace": args.namespace},
            "data": {"default.conf": CONFIGURATION},
        },
        deployment(LOGIN, args.namespace, container, replicas=args.replicas, volumes=volumes),
        service(LOGIN, args.namespace, {"http": PORT}),
        policy(args),
    ]
    return [*made, disruption_budget(LOGIN, args.namespace)] if args.replicas > 1 else made


def policy(args: LoginArgs) -> Manifest:
    """The gateway refuses these paths to whom the login does not know; also when the login does not answer."""
    paths = [pattern for path in args.paths for pattern in (path, f"{path}/*")]
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": LOGIN, "namespace": args.namespace},
        "spec": {
            "selector": {"matchLabels": SELECTOR},
            "action": "CUSTOM",
            "provider": {"name": LOGIN},
            "rules": [{"to": [{"operation": {"paths": paths}}]}],
        },
    }


def _encoded(text: pulumi.Output[str]) -> pulumi.Output[str]:
    return text.apply(lambda known: base64.b64encode(known.encode()).decode())
