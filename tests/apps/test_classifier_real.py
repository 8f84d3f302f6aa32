"""The classifier with published ImageNet weights, on photographs."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from skimage import data

from apps.classifier.app import Settings, create
from models.efficientnet_lite0 import export
from tests.apps import pictures
from tests.apps.conftest import serving

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with EfficientNet-Lite0."""
    store = tmp_path_factory.mktemp("store")
    export.make(store / "efficientnet_lite0" / "1.0.0")
    return store


@pytest.fixture
async def client(weights: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        model_name="resnet50",
        model_version="1.0.0",
        model_alternative="efficientnet_lite0@1.0.0",
        model_stores=(weights,),
    )
    async with serving("classifier", create(settings), settings) as client:
        yield client


async def test_an_espresso_is_an_espresso(client: httpx.AsyncClient) -> None:
    photograph = pictures.encoded(Image.fromarray(data.coffee()), "JPEG")
    best = (await client.post("/predict", files=pictures.upload(photograph))).json()["predictions"][0]
    assert (best["class_id"], best["label"]) == (967, "espresso")
    assert best["confidence"] > 0.5


async def test_a_cat_is_a_cat(client: httpx.AsyncClient) -> None:
    photograph = pictures.encoded(Image.fromarray(data.cat()), "JPEG")
    answer = (await client.post("/predict", files=pictures.upload(photograph), data={"top_k": "3"})).json()
    cats = {one["class_id"] for one in answer["predictions"]} & {281, 282, 283, 284, 285}
    assert len(cats) >= 2


async def test_it_is_said_to_stand_in_for_resnet50(client: httpx.AsyncClient) -> None:
    info = (await client.get("/model/info")).json()
    assert info["name"] == "efficientnet_lite0"
    assert info["served_as_alternative_for"] == "resnet50@1.0.0"
