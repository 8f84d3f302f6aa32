"""The local stack: how long the engine takes, and what serving costs beside the bare model."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator

import numpy as np
import onnxruntime
import psutil
import pytest
from skimage import data

from infra.local.ports import answers
from models.resnet50 import NAME, VERSION
from models.resnet50.export import make_random
from tests.bench.conftest import Table
from tests.bench.load import Timings, closed_loop, multipart
from tests.local.conftest import checkout, jpeg
from tests.local.platform import Platform, free_ports
from tests.until import until

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

ROUNDS = 5
TURNS = 6
SHED_S = 60


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, table: Table) -> Iterator[Platform]:
    """A platform whose classifier serves a ResNet50 of real size; how long it took to make is measured."""
    folder = tmp_path_factory.mktemp("bench")
    make_random(folder / "store" / NAME / VERSION)
    made = checkout(folder / "checkout")
    made.configure("models.stores", [str(folder / "store")])
    made.settle()
    typed(made, "up")
    typed(made, "down")
    _, up_s = typed(made, "up")
    table.add("make up", f"{up_s:.1f} s", "≤ 15 s", up_s <= 15)
    heard_s, again_s = typed(made, "up")
    table.add("make up without a change", f"{again_s:.1f} s", "≤ 3 s", again_s <= 3)
    table.add("the same, until the engine's first word", f"{heard_s:.1f} s", "< 2 s", heard_s < 2)
    yield made
    _, down_s = typed(made, "down")
    table.add("make down", f"{down_s:.1f} s", "≤ 10 s", down_s <= 10)


def typed(platform: Platform, target: str) -> tuple[float, float]:
    """Seconds that ``make`` takes until the engine says something, and to its end."""
    started = time.perf_counter()
    with platform.make(target) as making:
        assert making.stdout
        first = making.stdout.readline()
        heard_s = time.perf_counter() - started
        said = making.communicate()
    assert making.returncode == 0, said
    assert re.match(r"(Updat|Destroy)ing \(local\)", first), first
    return heard_s, time.perf_counter() - started


@pytest.fixture(scope="module")
def bare(platform: Platform) -> Callable[[], None]:
    """The model alone: one inference in this process with as many threads as the server has."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = psutil.cpu_count() or 1
    options.inter_op_num_threads = 1
    path = platform.root.parent / "store" / NAME / VERSION / "model.onnx"
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    [entry] = session.get_inputs()
    tensor = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)

    def infer() -> None:
        session.run(None, {entry.name: tensor})

    infer()
    return infer


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def count(requests: int) -> Callable[[Timings], bool]:
    return lambda timings: timings.statuses.total() >= requests


def test_serving_costs_little_beside_the_model(platform: Platform, bare: Callable[[], None], table: Table) -> None:
    """Bare model and gateway take turns of a second, so that a machine that slows down slows both."""
    ask = multipart("coffee.jpg", jpeg(data.coffee()), f"{platform.gateway}/classifier/predict")
    closed_loop(ask, 1, count(20))
    alone, one, many = [], Timings(), Timings()
    for _ in range(ROUNDS):
        for _ in range(TURNS):
            alone += [seconds(bare) for _ in range(10)]
            one.add(closed_loop(ask, 1, count(10)))
        many.add(closed_loop(ask, 20, count(180)))
    model = Timings(seconds=alone, elapsed_s=sum(alone))
    assert set(one.statuses) == {200}
    assert set(many.statuses) == {200}
    table.add(
        "ResNet50, bare session", f"p50 {model.ms(50):.1f} ms, p99 {model.ms(99):.1f} ms, {model.per_second:.1f} /s"
    )
    for percent, most in ((50, 1.15), (99, 1.5)):
        ratio = one.ms(percent) / model.ms(percent)
        what = f"through the gateway, 1 client, p{percent}"
        table.add(what, f"{one.ms(percent):.1f} ms, {ratio:.2f}×", f"≤ {most}×", ratio <= most)
    share = many.per_second / model.per_second
    measured = f"{many.per_second:.1f} /s, {share:.2f}×, p99 {many.ms(99):.0f} ms"
    table.add("through the gateway, 20 clients", measured, "≥ 0.95×", share >= 0.95)


def test_what_exceeds_capacity_is_shed_at_once(platform: Platform, table: Table) -> None:
    ask = multipart("coffee.jpg", jpeg(data.coffee()), f"{platform.gateway}/classifier/predict")
    ends = time.monotonic() + SHED_S
    done = closed_loop(ask, 50, lambda _: time.monotonic() > ends)
    assert set(done.statuses) <= {200, 503}, done.statuses
    for head in set(done.refusals):
        told = head.lower().decode().split("\r\n")
        assert "content-type: application/problem+json" in told, head
        assert any(re.fullmatch(r"retry-after: \d+", line) for line in told), head
    assert len(done.refusals) == done.statuses[503]
    shed_ms, slowest_ms = np.percentile(done.refused_s or [0], [99, 100]) * 1000
    table.add(
        f"50 clients for {SHED_S} s",
        f"{done.statuses[200]} answered at {done.per_second:.1f} /s, p99 {done.ms(99):.0f} ms,"
        f" {done.statuses[503]} shed (p99 {shed_ms:.0f} ms, slowest {slowest_ms:.0f} ms), 0 failed",
        "0 failed, shed within 100 ms",
        bool(slowest_ms <= 100),
    )


def test_an_app_starts_fast_and_stays_small(platform: Platform, table: Table) -> None:
    """A second process of each app, started as the supervisor starts the first."""
    for app in ("classifier", "detector", "images"):
        [version] = platform.status(app)
        running = psutil.Process(version["processes"][0]["pid"])
        [port] = free_ports(1)
        environment = {**running.environ(), "PORT": str(port)}
        started = time.perf_counter()
        with subprocess.Popen(
            running.cmdline(), cwd=running.cwd(), env=environment, stdout=subprocess.DEVNULL
        ) as second:
            until(lambda port=port: answers(port, "/ready"), f"{app} is ready", 60)
            ready = time.perf_counter() - started
            second.terminate()
        resident = running.memory_info().rss / 2**20
        table.add(
            f"{app}: start to ready; resident",
            f"{ready:.1f} s; {resident:.0f} MB",
            "≤ 3 s; ≤ 500 MB",
            ready <= 3 and resident <= 500,
        )
