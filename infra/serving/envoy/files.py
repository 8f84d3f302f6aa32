"""The gateway's files by name, as Envoy reads them: each a discovery response whose version is its content's digest."""

import hashlib
import json
from pathlib import PurePath
from typing import Any

from infra.serving.envoy import clusters, quota, routes
from infra.serving.envoy.app import App, Json, typed

CLUSTERS, ROUTES, QUOTA = "clusters.json", "routes.json", "quota.json"
ENDPOINTS = "endpoints"
NAME, QUOTA_FILTER = routes.NAME, routes.QUOTA_FILTER


def traffic_files(folder: PurePath, apps: tuple[App, ...]) -> dict[str, str]:
    """Clusters, their endpoints, routes and quotas, by the files' paths in ``folder``."""
    extension = typed("config.core.v3.TypedExtensionConfig", name=routes.QUOTA_FILTER, typed_config=quota.quota(apps))
    return {
        CLUSTERS: response(*clusters.clusters(apps, str(folder / ENDPOINTS))),
        **{endpoint_file(label): response(each) for label, each in clusters.endpoints(apps).items()},
        ROUTES: response(routes.routes(apps)),
        QUOTA: response(extension),
    }


def response(*resources: Json) -> str:
    """A discovery response with these resources."""
    digest = hashlib.sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest()[:16]
    return json.dumps({"version_info": digest, "resources": resources}, indent=1)


def resources(content: str) -> list[Json]:
    """The resources in a file's content."""
    return json.loads(content)["resources"]


def endpoint_file(label: str) -> str:
    """Where the endpoints of a cluster are, in the folder."""
    return f"{ENDPOINTS}/{label}.json"


def version(content: str) -> str:
    """The version that a file's content states."""
    stated: dict[str, Any] = json.loads(content)
    return str(stated["version_info"])
