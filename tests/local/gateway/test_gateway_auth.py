"""Whom the gateway lets through to an app that wants to know who calls."""

import json
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.local.gateway.running import Gateway, Make, Props, app, problem

pytestmark = pytest.mark.local

ISSUER = "https://issuer.example"
OURS, THEIRS = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
FOREVER = 4_102_444_800
RIGHT = {"iss": ISSUER, "aud": "echo", "sub": "alice", "exp": FOREVER}


@pytest.fixture
def asking(tmp_path: Path) -> Props:
    key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(OURS.public_key()))
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [{**key, "kid": "ours", "alg": "ES256", "use": "sig"}]}))
    return {"issuer": ISSUER, "audiences": ["echo"], "jwks_url": keys.as_uri()}


def call(gateway: Gateway, key: ec.EllipticCurvePrivateKey = OURS, **claims: Any) -> httpx.Response:
    token = jwt.encode({name: value for name, value in {**RIGHT, **claims}.items() if value}, key, "ES256")
    return httpx.get(f"{gateway.url}/echo/", headers={"authorization": f"Bearer {token}"})


def test_the_right_token_passes_and_stays_at_the_gateway(gateway: Gateway, upstream: Make, asking: Props) -> None:
    instance = upstream()
    gateway.lead_to(app(instance, auth=asking))
    assert call(gateway).status_code == 200
    assert "authorization" not in instance.heads[0].lower()


def test_without_a_token_a_request_gets_401(gateway: Gateway, upstream: Make, asking: Props) -> None:
    instance = upstream()
    gateway.lead_to(app(instance, auth=asking))
    answer = httpx.get(f"{gateway.url}/echo/")
    assert answer.status_code == 401
    assert problem(answer)["title"] == "Unauthorized"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert instance.heads == []


@pytest.mark.parametrize(
    "claims", [{"iss": "https://other.example"}, {"exp": 1}, {"sub": None}], ids=["issuer", "expired", "nobody"]
)
def test_a_token_that_is_not_valid_gets_401(
    gateway: Gateway, upstream: Make, asking: Props, claims: dict[str, Any]
) -> None:
    gateway.lead_to(app(upstream(), auth=asking))
    assert call(gateway, **claims).status_code == 401


def test_a_token_signed_by_somebody_else_gets_401(gateway: Gateway, upstream: Make, asking: Props) -> None:
    gateway.lead_to(app(upstream(), auth=asking))
    assert call(gateway, THEIRS).status_code == 401


def test_a_token_for_another_audience_gets_403(gateway: Gateway, upstream: Make, asking: Props) -> None:
    gateway.lead_to(app(upstream(), auth=asking))
    answer = call(gateway, aud="other")
    assert answer.status_code == 403
    assert problem(answer)["detail"] == "The token is not for this app."


def test_a_token_in_the_address_does_not_count(gateway: Gateway, upstream: Make, asking: Props) -> None:
    gateway.lead_to(app(upstream(), auth=asking))
    token = jwt.encode(RIGHT, OURS, "ES256")
    assert httpx.get(f"{gateway.url}/echo/", params={"access_token": token}).status_code == 401


def test_an_app_may_stop_asking(gateway: Gateway, upstream: Make, asking: Props) -> None:
    gateway.lead_to(app(upstream(), auth=asking))
    gateway.lead_to(app(upstream()))
    assert httpx.get(f"{gateway.url}/echo/").status_code == 200
    assert gateway.state() == "APPLIED"
