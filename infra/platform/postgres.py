"""Databases: one server, here or in AWS, and on it a database and a user for each that asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import pulumi
import pulumi_random as random

from infra import versions
from infra.kubernetes import Manifest, apply
from infra.platform.external_secrets import Remote, external_secret
from infra.platform.namespace import Allow, NamespaceArgs
from infra.platform.secrets import fingerprint, secret
from infra.platform.surroundings import DatabaseAt
from infra.platform.workload import Container, job, service, stateful_set

HOME, NAME, PORT, USER_ID = "databases", "postgres", 5432, 70
ADMIN = "postgres-admin"
"""Secret with the keys ``username`` and ``password`` of who may make databases."""
NAMESPACE = NamespaceArgs([Allow("clients", (PORT,), ("serving", "mlflow", "kubeflow"), {"app": NAME})])

# Made again without harm: what is there stays, and gets the password that its Secret has. The password is never an
# argument: psql reads it from its environment and quotes it itself.
MAKE = r"""
\set ON_ERROR_STOP on
\getenv password OWN_PASSWORD
\getenv name OWN_NAME
SELECT format('CREATE ROLE %I LOGIN', :'name') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
ALTER ROLE :"name" PASSWORD :'password';
GRANT :"name" TO CURRENT_USER;
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
"""


@dataclass(frozen=True)
class DatabasesArgs:
    """What the databases need from their surroundings.

    Attributes:
        namespace: their own.
        server: where Postgres runs outside the cluster; none runs one here.
        storage_class: of its volume.
        wanted: who asks for a database: its name to the namespace that gets its Secret, which exists already.
    """

    namespace: str
    server: DatabaseAt | None
    storage_class: str
    wanted: Mapping[str, str]


class Databases(pulumi.ComponentResource):
    """A database each, with a Secret ``<name>-database`` where it is used.

    The Secret has the keys ``url``, ``host``, ``port``, ``name``, ``username`` and ``password``.
    """

    def __init__(self, name: str, args: DatabasesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:platform:Databases", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        if args.server is None:
            admin = random.RandomPassword(name, length=32, special=False, opts=child)
            own = secret(ADMIN, args.namespace, {"username": "postgres", "password": admin.result})
            first = apply(own, f"{name}-admin", child)
            running = [
                apply(manifest, name, pulumi.ResourceOptions(parent=self, depends_on=[first]))
                for manifest in server(args)
            ]
            host, port, suffix = f"{NAME}.{HOME}.svc.cluster.local", str(PORT), ""
        else:
            remote = {key: Remote(args.server.secret_arn, key) for key in ("username", "password")}
            running = [apply(external_secret(ADMIN, args.namespace, remote), f"{name}-admin", child)]
            host, suffix = args.server.host, "?sslmode=require"
            port = pulumi.Output.from_input(args.server.port).apply(lambda known: str(int(known)))
        script = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "make-database", "namespace": args.namespace},
            "data": {"make.sql": MAKE},
        }
        running.append(apply(script, f"{name}-make", child))

        for who, place in sorted(args.wanted.items()):
            password = random.RandomPassword(f"{name}-{who}", length=32, special=False, opts=child)
            given = {"username": who, "password": password.result}
            inside = apply(secret(f"{who}-owner", args.namespace, given), f"{name}-{who}-owner", child)
            done = apply(
                maker(who, args.namespace, host, port, password.result),
                f"{name}-{who}",
                pulumi.ResourceOptions(parent=self, depends_on=[*running, inside]),
            )
            told = {**given, "host": host, "port": port, "name": who}
            told["url"] = pulumi.Output.all(password.result, host, port).apply(
                lambda known, who=who: (
                    f"postgresql://{who}:{quote(known[0], safe='')}@{known[1]}:{known[2]}/{who}{suffix}"
                )
            )
            apply(
                secret(f"{who}-database", place, told),
                f"{name}-{who}-database",
                pulumi.ResourceOptions(parent=self, depends_on=[done]),
            )
        self.register_outputs({})


def server(args: DatabasesArgs) -> list[Manifest]:
    """Postgres of one pod with a volume: enough for a laptop, and no more than that."""
    container = Container(
        versions.POSTGRES_IMAGE,
        {"postgres": PORT},
        env={
            "PGDATA": "/var/lib/postgresql/data/pgdata",
            "POSTGRES_PASSWORD_FILE": "/etc/postgres-admin/password",
            "POSTGRES_INITDB_ARGS": "--auth-host=scram-sha-256",
        },
        mounts={"data": "/var/lib/postgresql/data", "run": "/var/run/postgresql", "admin": "/etc/postgres-admin"},
        memory="512Mi",
        cpu="100m",
        user=USER_ID,
    )
    volumes = ({"name": "run", "emptyDir": {"medium": "Memory"}}, {"name": "admin", "secret": {"secretName": ADMIN}})
    return [
        service(NAME, args.namespace, {"postgres": PORT}),
        stateful_set(NAME, args.namespace, container, storage_class=args.storage_class, size_gib=10, volumes=volumes),
    ]


def maker(
    who: str,
    namespace: str,
    host: pulumi.Input[str],
    port: pulumi.Input[str],
    password: pulumi.Output[str],
) -> Manifest:
    """The Job that makes one database; another password replaces it."""
    container = Container(
        versions.POSTGRES_IMAGE,
        {},
        command=("psql", "--dbname=postgres", "--no-password", "--file=/make/make.sql"),
        env={"PGHOST": host, "PGPORT": port, "PGSSLMODE": "prefer", "OWN_NAME": who},
        secrets={
            "PGUSER": (ADMIN, "username"),
            "PGPASSWORD": (ADMIN, "password"),
            "OWN_PASSWORD": (f"{who}-owner", "password"),
        },
        mounts={"make": "/make"},
        memory="64Mi",
        cpu="20m",
        user=USER_ID,
    )
    volumes = [{"name": "make", "configMap": {"name": "make-database"}}]
    changes = {"modelserve/password": fingerprint(password)}
    return job(f"make-{who}", namespace, container, app="make-database", volumes=volumes, changes=changes)
