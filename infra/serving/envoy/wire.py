"""Envoy's configuration in protobuf's JSON form, its files and their names.

Apart from what an app is, whose checks take a sixth of a second to import: a plan compares files, and renders none.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]
"""A JSON object in the form that Envoy's protobuf reads."""

NAME = "gateway"
QUOTA_FILTER = "quota"
AUTH_FILTER = "auth"
BODY_FILTER = "envoy.filters.http.buffer"
HEADERS_FILTER = "envoy.filters.http.header_mutation"

CLUSTERS, ROUTES, QUOTA, AUTH = "clusters.json", "routes.json", "quota.json", "auth.json"
ENDPOINTS = "endpoints"


def seconds(duration: float) -> str:
    """A duration as protobuf's JSON form writes it, to the millisecond."""
    return f"{duration:.3f}s"


def typed(message: str, **fields: object) -> Json:
    """A protobuf ``Any`` that holds the message ``envoy.<message>``."""
    return {"@type": f"type.googleapis.com/envoy.{message}", **fields}


def file_source(path: str) -> Json:
    """A configuration source that Envoy reads again whenever a file is renamed to this path."""
    return {"resource_api_version": "V3", "path_config_source": {"path": path}}


def endpoint_file(label: str) -> str:
    """Where the endpoints of a cluster are, in the folder of all files."""
    return f"{ENDPOINTS}/{label}.json"


def response(*resources: Json) -> str:
    """A discovery response with these resources, which is what a file holds; Envoy tells the version of the last."""
    return json.dumps({"version_info": _digest(resources), "resources": resources}, indent=1)


def resources(content: str) -> list[Json]:
    """The resources in a file's content."""
    return json.loads(content)["resources"]


def version(content: str) -> str:
    """The version of a file's content, whatever it states: somebody may have edited it."""
    return _digest(resources(content))


def _digest(resources: Sequence[Json]) -> str:
    return hashlib.sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest()[:16]
