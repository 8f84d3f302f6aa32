"""What Prometheus scrapes: one file a target, so that an app that rolls restarts nobody."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from infra.local.home import Home, write_private
from infra.local.prometheus import targets_folder
from infra.local.provider import Provider


class ScrapeProvider(Provider):
    """Keeps a target's file."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Write it."""
        self._write(props)
        return CreateResult(props["name"], props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Write it again where it would differ or is gone."""
        if _olds["home"] != _news["home"]:
            return DiffResult(changes=True, replaces=["home"])
        changed = any(_olds[key] != _news[key] for key in ("endpoints", "path", "labels"))
        return DiffResult(changes=changed or not (targets_folder(Home(_olds["home"])) / f"{_id}.json").exists())

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Write it anew."""
        self._write(_news)
        return UpdateResult(_news)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Gone when the file is."""
        there = (targets_folder(Home(props["home"])) / f"{id_}.json").exists()
        return ReadResult(id_ if there else None, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove it."""
        (targets_folder(Home(_props["home"])) / f"{_id}.json").unlink(missing_ok=True)

    def _write(self, props: dict[str, Any]) -> None:
        labels = {**props["labels"], "job": props["name"], "__metrics_path__": props["path"]}
        told = [{"targets": props["endpoints"], "labels": labels}]
        write_private(targets_folder(Home(props["home"])) / f"{props['name']}.json", json.dumps(told))


class _Scrape(Resource, module="local", name="Scrape"):
    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(ScrapeProvider(), name, props, opts)


@dataclass(frozen=True)
class ScrapeArgs:
    """Where the metrics are.

    Attributes:
        home: the supervisor's ``home``.
        endpoints: ``host:port`` of each instance.
        path: where they answer with their metrics.
        labels: further labels of all that is scraped.
    """

    home: pulumi.Input[str]
    endpoints: pulumi.Input[list[str]]
    path: str = "/metrics"
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


class Scrape(pulumi.ComponentResource):
    """A job of the stack's Prometheus, named as the resource."""

    def __init__(self, name: str, args: ScrapeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("modelserve:local:Scrape", name, None, opts)
        props = {
            "home": args.home,
            "name": name,
            "endpoints": args.endpoints,
            "path": args.path,
            "labels": dict(args.labels),
        }
        _Scrape(name, props, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})
