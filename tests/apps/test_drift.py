"""The watch for drift of a served model, held to the reference that is committed."""

from collections.abc import Sequence

import httpx
import numpy as np
import pytest

from apps.runtime import server, watch
from apps.sentiment.app import Settings, create
from models.ner.network import holdout as news
from models.sentiment.network import holdout
from models.store import default_stores
from tests.apps.conftest import running

pytestmark = pytest.mark.anyio

REVIEWS = np.random.default_rng(1).permutation(holdout()[0])[:60].tolist()  # bad ones lie in a row, which is drift


async def drifting_after(reviews: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Statistics that have drifted once these were answered and the app has left, which sees to what is left first."""
    monkeypatch.setattr(watch, "CAPACITY", 1000)  # on a machine that is busy with other tests, too, all are looked at
    told = Settings(model_name="minilm_sentiment", model_version="1.2.0", model_stores=default_stores(), threads=1)
    app = create(told)
    served = server.build("sentiment", app, told)
    async with running(served) as client:
        assert app.model
        await app.model.loading
        for review in reviews:
            assert (await client.post("/v1/models/sentiment:predict", json={"instances": [review]})).is_success
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served.asgi), base_url="http://app") as client:
        page = (await client.get("/metrics")).text
    assert f'modelserve_drift_instances_total{{version="1.2.0"}} {len(reviews)}.0' in page
    detected = (line for line in page.splitlines() if line.startswith("modelserve_drift_detected{"))
    return {line.split('"')[1] for line in detected if line.endswith(" 1.0")}


async def test_usual_reviews_are_no_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await drifting_after(REVIEWS, monkeypatch) == set()


async def test_reviews_three_times_as_long_are_and_by_nothing_but_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = [" ".join(REVIEWS[start : start + 3]) for start in range(0, len(REVIEWS), 3)]
    assert await drifting_after(longer, monkeypatch) == {"length"}


async def test_texts_about_something_else_are_and_it_shows_in_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "embedding_1" in await drifting_after([example.text for example in news()][:60], monkeypatch)
