"""The runtime beside the bare model: what serving, batching, keeping answers and starting cost, without a gateway.

Two sides of a ratio take turns, so that a machine that slows down slows both.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from models import sentiment
from models.sentiment import export
from tests.apps.processes import running
from tests.apps.test_runtime_cache import Server as Redis
from tests.bench.conftest import Table
from tests.bench.load import Request, Timings, closed_loop
from tests.bench.servers import core
from toolchain import places

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

ROUNDS = 20
EACH = 25
TEXT = "The food was wonderful, but the room was cold and the staff could not have cared less about it."


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store")
    export.make(store / sentiment.NAME / sentiment.VERSION)
    return store


@pytest.fixture
def serve(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Request]]:
    """Starts the sentiment app with settings; what to ask of it."""
    told = {"MODEL_NAME": sentiment.NAME, "MODEL_VERSION": sentiment.VERSION, "MODEL_STORES": str(store)}
    with ExitStack() as stack:

        def start(**more: str) -> Request:
            folder = tmp_path_factory.mktemp("app")
            url = stack.enter_context(running("sentiment", folder, **told, THREADS=str(core.THREADS), **more))
            body = json.dumps({"instances": [TEXT]}).encode()
            return "POST", f"{url}/v1/models/sentiment:predict", body, (("Content-Type", "application/json"),)

        yield start


def alternately(*sides: Callable[[], Timings]) -> list[Timings]:
    """What each side took in all rounds, once all are warm."""
    for side in sides:
        side()
    sums = [Timings() for _ in sides]
    for _ in range(ROUNDS):
        for side, into in zip(sides, sums, strict=True):
            into.add(side())
    return sums


def asked(request: Request) -> Callable[[], Timings]:
    """One client that asks some times."""
    return lambda: closed_loop(request, 1, lambda timings: timings.statuses.total() >= EACH)


def test_what_serving_adds_to_the_model(serve: Callable[..., Request], store: Path, table: Table) -> None:
    model = core.Sentiment(store / sentiment.NAME / sentiment.VERSION, core.THREADS)

    def bare() -> Timings:
        timings = Timings()
        for _ in range(EACH):
            started = time.perf_counter()
            model.predict([model.decode({"text": TEXT})])
            timings.seconds.append(time.perf_counter() - started)
        return timings

    alone, served = alternately(bare, asked(serve()))
    added_ms = served.ms(50) - alone.ms(50)
    table.add(
        "sentiment: server over the bare model, 1 client, p50",
        f"{added_ms:.2f} ms ({served.ms(50):.2f} over {alone.ms(50):.2f})",
        "≤ 1 ms",
        added_ms <= 1,
    )


def test_batching_costs_a_single_client_nothing(serve: Callable[..., Request], table: Table) -> None:
    without, batching = alternately(asked(serve(MAX_BATCH="1")), asked(serve()))
    ratio = batching.ms(50) / without.ms(50)
    table.add(
        "sentiment: with batching over without, 1 client, p50",
        f"{ratio:.3f}× ({batching.ms(50):.2f} ms over {without.ms(50):.2f} ms)",
        "≤ 1.05×",
        ratio <= 1.05,
    )


def test_a_kept_answer_comes_fast(serve: Callable[..., Request], tmp_path: Path, table: Table) -> None:
    redis = Redis(tmp_path)
    try:
        [hits] = alternately(asked(serve(CACHE_TTL_S="600", REDIS_URL_FILE=str(redis.url_file))))
    finally:
        redis.stop()
    table.add("sentiment: answered from the cache, 1 client, p50", f"{hits.ms(50):.2f} ms", "≤ 2 ms", hits.ms(50) <= 2)


def test_an_app_starts_fast_without_torch(serve: Callable[..., Request], table: Table) -> None:
    code = "import apps.runtime.__main__, apps.sentiment.app, sys; sys.exit('torch' in sys.modules)"
    took = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=places.CHECKOUT, check=True)
        took.append(time.perf_counter() - started)
    started = time.perf_counter()
    serve()
    ready = time.perf_counter() - started
    measured = f"{min(took):.2f} s; {ready:.2f} s"
    table.add("sentiment: import; start to ready", measured, "≤ 2 s", max(min(took), ready) <= 2)
