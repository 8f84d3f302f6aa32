"""This machine, processes only: no containers, no cluster, no root."""

import os
from collections.abc import Sequence

import pulumi

from infra.local.database import Database, DatabaseArgs
from infra.local.envoy import Gateway, GatewayArgs
from infra.local.home import Home
from infra.local.mlflow import Mlflow, MlflowArgs
from infra.local.objects import Objects, ObjectsArgs
from infra.local.postgres import Postgres, PostgresArgs
from infra.local.process import Process, ProcessArgs
from infra.local.prometheus import Prometheus, PrometheusArgs
from infra.local.redis import Redis, RedisArgs
from infra.local.routes import RevisionArgs, RoutedApp, Routes, RoutesArgs
from infra.local.scrape import Scrape, ScrapeArgs
from infra.local.supervisor import Supervisor, SupervisorArgs
from infra.local.token import ReloadToken
from infra.serving import process
from infra.serving.process import Surroundings
from infra.serving.spec import ServingSpec, version_of
from infra.settings import CHECKOUT, Settings
from stacks.outputs import App, Deployment, Version
from toolchain import places


def deploy(settings: Settings, specs: Sequence[ServingSpec]) -> None:
    """Everything that serves, started in the order in which it depends on each other."""
    retain = settings.data.retain
    at = Home(str(CHECKOUT / ".modelserve" / "local"))
    home = Supervisor("supervisor", SupervisorArgs(at.root)).home
    gateway = Gateway("gateway", GatewayArgs(home, settings.gateway.port))
    rules = str(CHECKOUT / "monitoring" / "alerts")
    prometheus = Prometheus("prometheus", PrometheusArgs(home, settings.prometheus.port, rules, retain=retain))
    redis = Redis("redis", RedisArgs(home, settings.redis.port, settings.redis.memory_mib, retain))
    postgres = Postgres("postgres", PostgresArgs(home, settings.postgres.port, retain))
    token = ReloadToken("reload-token", home)
    mlflow = _mlflow(settings, home, postgres) if settings.mlflow.enabled else None
    Scrape("gateway", ScrapeArgs(home, gateway.metrics.apply(lambda at: [at]), "/stats/prometheus"))

    routed: list[RoutedApp] = []
    apps: dict[str, pulumi.Output[App]] = {}
    for spec in specs:
        around = Surroundings(
            home=home,
            checkout=CHECKOUT,
            stores=(*settings.models.stores, CHECKOUT / "models", places.cache() / "artefacts"),
            internal_url=f"http://127.0.0.1:{settings.gateway.port}",
            cores=os.cpu_count() or 1,
            database_url=_database(spec, home, postgres, retain),
            object_store_url=_objects(spec, home, retain),
            redis_url_file=redis.url_file if spec.cache.ttl_s else None,
            cache=places.cache(),
            payloads=at.payloads,
            registry=pulumi.Output.concat("mlflow+", mlflow.url) if mlflow else None,
            reload_token_file=token.file,
        )
        stable = _version(spec, "stable", process.render(spec, around), home)
        canary = process.render_canary(spec, around)
        beside = _version(spec, "canary", canary, home) if canary else None
        routed.append(_routed(spec, stable, beside))
        apps[spec.name] = _told(spec, settings.gateway.port, stable, beside)
    Routes("routes", RoutesArgs(gateway.home, routed))

    services = {
        "prometheus": prometheus.url,
        "postgres": pulumi.Output.concat("127.0.0.1:", postgres.port.apply(str)),
        "redis": pulumi.Output.concat("127.0.0.1:", redis.port.apply(str)),
        **({"mlflow": mlflow.url} if mlflow else {}),
    }
    deployment = pulumi.Output.all(gateway=gateway.url, apps=apps, services=services).apply(
        lambda told: Deployment.model_validate(told).model_dump()
    )
    for name in Deployment.model_fields:
        pulumi.export(name, deployment[name])


def _version(spec: ServingSpec, role: str, args: ProcessArgs, home: pulumi.Output[str]) -> Process:
    """A running version of an app, whose metrics are collected, labelled as those of clusters are."""
    name, model = (spec.name, spec.model) if role == "stable" else (f"{spec.name}-{role}", spec.canary_model)
    running = Process(name, args)
    labels = {"app": spec.name, "role": role, "revision": version_of(model)}
    Scrape(name, ScrapeArgs(home, running.endpoints, labels=labels))
    return running


def _mlflow(settings: Settings, home: pulumi.Output[str], postgres: Postgres) -> Mlflow:
    retain = settings.data.retain
    database = Database("mlflow", DatabaseArgs(home, postgres.port, retain)).url
    return Mlflow("mlflow", MlflowArgs(home, database, settings.mlflow.port, retain))


def _database(
    spec: ServingSpec, home: pulumi.Output[str], postgres: Postgres, retain: bool
) -> pulumi.Output[str] | None:
    return Database(spec.name, DatabaseArgs(home, postgres.port, retain)).url if spec.database else None


def _objects(spec: ServingSpec, home: pulumi.Output[str], retain: bool) -> pulumi.Output[str] | None:
    return Objects(spec.name, ObjectsArgs(home, retain)).url if spec.objects else None


def _routed(spec: ServingSpec, stable: Process, canary: Process | None) -> RoutedApp:
    beside = spec.traffic.canary
    return RoutedApp(
        spec,
        RevisionArgs(spec.version, stable.endpoints),
        RevisionArgs(beside.version, canary.endpoints) if beside and canary else None,
    )


def _told(spec: ServingSpec, port: int, stable: Process, canary: Process | None) -> pulumi.Output[App]:
    """What the world is told about an app."""
    beside = spec.traffic.canary
    weight = beside.weight if beside else 0

    def app(running: dict[str, list[str]]) -> App:
        versions = [_described(spec.version, 100 - weight, 0, running["stable"], running["stable_logs"])]
        if beside and canary:
            versions.append(
                _described(beside.version, weight, beside.mirror, running["canary"], running["canary_logs"])
            )
        urls = [f"http://127.0.0.1:{port}{route.prefix}" for route in spec.routes]
        return App(summary=spec.summary, urls=urls, versions=versions)

    running = {"stable": stable.endpoints, "stable_logs": stable.logs}
    if canary:
        running |= {"canary": canary.endpoints, "canary_logs": canary.logs}
    return pulumi.Output.all(**running).apply(app)


def _described(label: str, weight: int, mirror: int, endpoints: list[str], logs: list[str]) -> Version:
    return Version(label=label, weight=weight, mirror=mirror, addresses=[f"http://{e}" for e in endpoints], logs=logs)
