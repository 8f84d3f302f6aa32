"""The gateway's files by name, as Envoy reads them: each a discovery response whose version is its content's digest."""

import hashlib
import json
from pathlib import PurePath
from typing import Any

from infra.serving.envoy import auth, clusters, quota, routes
from infra.serving.envoy.app import App, Json, typed

CLUSTERS, ROUTES, QUOTA, AUTH = "clusters.json", "routes.json", "quota.json", "auth.json"
ENDPOINTS = "endpoints"
NAME, QUOTA_FILTER, AUTH_FILTER = routes.NAME, routes.QUOTA_FILTER, routes.AUTH_FILTER


def traffic_files(folder: PurePath, apps: tuple[App, ...]) -> dict[str, str]:
    """Clusters, their endpoints, routes, quotas and who may call, by the files' paths in ``folder``."""
    return {
        CLUSTERS: response(*clusters.clusters(apps, str(folder / ENDPOINTS)), *auth.clusters(apps)),
        **{endpoint_file(label): response(each) for label, each in clusters.endpoints(apps).items()},
        ROUTES: response(routes.routes(apps)),
        QUOTA: response(_extension(QUOTA_FILTER, quota.quota(apps))),
        AUTH: response(_extension(AUTH_FILTER, auth.auth(apps))),
    }


def auth_for_both(before: str, wanted: str) -> str:
    """The content of `AUTH` that serves the routes before a change and those after it."""
    old, new = (resources(content)[0]["typed_config"] for content in (before, wanted))
    return response(_extension(AUTH_FILTER, auth.union(old, new)))


def _extension(name: str, config: Json) -> Json:
    return typed("config.core.v3.TypedExtensionConfig", name=name, typed_config=config)


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
