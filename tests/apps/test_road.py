"""Dry or wet: over the app's own route and both protocols, from the registry or, without one, by the alternative."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from apps.road.app import Settings, create
from tests.apps.conftest import serving
from tests.apps.road import write_road
from tests.local.conftest import jpeg
from tests.unit.mlflow import Tracking

pytestmark = pytest.mark.anyio

BRIGHT = jpeg(np.full((48, 64, 3), 240, np.uint8))
DARK = jpeg(np.full((48, 64, 3), 15, np.uint8))


@asynccontextmanager
async def road(tmp_path: Path, *stores: str) -> AsyncIterator[httpx.AsyncClient]:
    """The app as it is declared, with what it falls back to."""
    write_road(tmp_path / "local", "1.0.0", "road_lite")
    settings = Settings(
        model_name="road",
        model_version="@production",
        model_alternative="road_lite@1.0.0",
        model_stores=(tmp_path / "local", *stores),
        app_revision="r7",
        threads=1,
    )
    async with serving("road", create(settings), settings) as client:
        yield client


@pytest.mark.parametrize(("picture", "expected"), [(BRIGHT, "wet"), (DARK, "dry")])
async def test_a_picture_is_dry_or_wet(tmp_path: Path, picture: bytes, expected: str) -> None:
    async with road(tmp_path) as client:
        told = (await client.post("/predict", files={"file": picture})).json()
    assert told["prediction"] == expected
    assert told["confidence"] == told["probabilities"][expected] > 0.9
    assert sum(told["probabilities"].values()) == pytest.approx(1)
    assert told["inference_time_ms"] > 0
    assert (told["model"], told["version"]) == ("road_lite", "1.0.0")


async def test_both_protocols_say_the_same(tmp_path: Path) -> None:
    encoded = base64.b64encode(BRIGHT).decode()
    async with road(tmp_path) as client:
        own = (await client.post("/predict", files={"file": BRIGHT})).json()
        first = await client.post("/v1/models/road:predict", json={"instances": [{"image": {"b64": encoded}}]})
        tensors = [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [encoded]}]
        second = await client.post("/v2/models/road/infer", json={"inputs": tensors})
    [instance] = first.json()["predictions"]
    assert instance == {key: own[key] for key in ("prediction", "confidence", "probabilities")}
    columns = {each["name"]: each["data"] for each in second.json()["outputs"]}
    assert columns["label"] == ["wet"]
    assert columns["probabilities"] == pytest.approx(list(own["probabilities"].values()))


async def test_its_root_says_how_it_is_and_what_it_serves(tmp_path: Path) -> None:
    async with road(tmp_path) as client:
        told = (await client.get("/")).json()
    assert told == {"status": "ready", "model": "road_lite", "version": "1.0.0", "image": "r7"}


async def test_without_a_registry_the_alternative_says_what_it_stands_in_for(tmp_path: Path) -> None:
    async with road(tmp_path) as client:
        told = (await client.get("/model/info")).json()
    assert told["served_as_alternative_for"] == "road@production"
    assert "give a registry among the stores" in told["reason"]


async def test_what_a_registry_has_in_production_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSERVE_CACHE", str(tmp_path / "cache"))
    tracking = Tracking()
    tracking.register(write_road(tmp_path / "made", "1.0.0+3f2a9c1b", wet=-4))
    async with road(tmp_path, tracking.store) as client:
        told = (await client.post("/predict", files={"file": BRIGHT})).json()
    tracking.end()
    assert (told["prediction"], told["model"], told["version"]) == ("dry", "road", "1.0.0+3f2a9c1b")


@pytest.mark.parametrize(("content", "status"), [(b"", 422), (b"no picture", 415), (BRIGHT[:200], 422)])
async def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes, status: int) -> None:
    async with road(tmp_path) as client:
        refused = await client.post("/predict", files={"file": content})
    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/problem+json"
