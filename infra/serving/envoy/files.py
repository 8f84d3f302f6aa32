"""The gateway's files by name, as Envoy reads them."""

from pathlib import PurePath

from infra.serving.envoy import auth, clusters, quota, routes
from infra.serving.envoy.app import App
from infra.serving.envoy.wire import (
    AUTH,
    AUTH_FILTER,
    CLUSTERS,
    ENDPOINTS,
    QUOTA,
    QUOTA_FILTER,
    ROUTES,
    Json,
    endpoint_file,
    response,
    typed,
)


def traffic_files(folder: PurePath, apps: tuple[App, ...]) -> dict[str, str]:
    """Clusters, their endpoints, routes, quotas and who may call, by the files' paths in ``folder``."""
    return {
        CLUSTERS: response(*clusters.clusters(apps, str(folder / ENDPOINTS)), *auth.clusters(apps)),
        **{endpoint_file(label): response(each) for label, each in clusters.endpoints(apps).items()},
        ROUTES: response(routes.routes(apps)),
        QUOTA: response(_extension(QUOTA_FILTER, quota.quota(apps))),
        AUTH: response(_extension(AUTH_FILTER, auth.auth(apps))),
    }


def _extension(name: str, config: Json) -> Json:
    return typed("config.core.v3.TypedExtensionConfig", name=name, typed_config=config)
