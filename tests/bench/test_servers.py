"""Beside other servers: the same models by LitServe, BentoML, Ray Serve, mosec, KServe's Python server, and ours.

``pytest -m bench -s --record tests/bench/test_servers.py`` takes a quarter of an hour. The others are installed into
``.venv-servers`` at the first run: 680 MB.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from skimage import data

from models import resnet50, sentiment
from models.resnet50.export import make_random
from models.sentiment import export
from tests.bench.conftest import Table
from tests.bench.load import Request, Timings, closed_loop, connection
from tests.bench.servers import core
from tests.bench.servers.running import OTHERS, OURS, VENV, Served, started
from tests.local.conftest import jpeg
from tests.local.platform import free_ports
from tests.until import until
from toolchain import places
from toolchain.setup import ensure_environment

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

BARE = "bare session"
CLIENTS = (1, 8, 32)
ROUNDS = 2
SECONDS = 6.0
START_S = 120
TEXT = "The food was wonderful, but the room was cold and the staff could not have cared less about it."

ABOUT = f"""
The same files of models by the same code that decodes and predicts (`tests/bench/servers/core.py`), ONNX Runtime with
{core.THREADS} threads, batches of up to {core.MAX_BATCH}; each server as its documentation has it for
one model on CPU, its log as it comes. Requests are JSON of one picture (600 × 400, JPEG in base64) or one sentence.
Server and clients share the cores. Of {ROUNDS} rounds, the second in reverse order, both count: {SECONDS:g} s for each
number of clients. Memory is that of all processes, shared pages counted once; processor time is what a request takes of
it; cold start is from the command to the first answer, the faster of both. The bare session decodes and predicts
without a server, one by one, and in full batches beside more clients.
"""


@dataclass
class Seen:
    """What was measured of one server with one model.

    Attributes:
        start_s: seconds from its start to its first answer.
        mib: memory of all its processes, after the load.
        timings: by number of clients.
        cpu_s: processor time of its processes, by number of clients.
    """

    start_s: float = float("inf")
    mib: float = 0.0
    timings: dict[int, Timings] = field(default_factory=lambda: {clients: Timings() for clients in CLIENTS})
    cpu_s: dict[int, float] = field(default_factory=lambda: dict.fromkeys(CLIENTS, 0.0))

    def add(self, clients: int, done: Timings, cpu_s: float) -> None:
        """Add a round."""
        self.timings[clients].add(done)
        self.cpu_s[clients] += cpu_s


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both models; the weights of ResNet50 are random, which takes as long as others."""
    ensure_environment(VENV, "servers", "1 min, 680 MB")
    assert engine("servers") == engine("dev"), "another ONNX Runtime would be measured, too"
    store = tmp_path_factory.mktemp("store")
    make_random(store / resnet50.NAME / resnet50.VERSION)
    export.make(store / sentiment.NAME / sentiment.VERSION)
    return store


def engine(lock: str) -> list[str]:
    lines = (places.LOCKS / f"{lock}.txt").read_text().splitlines()
    return [line for line in lines if line.startswith(("onnxruntime==", "numpy==", "simplejpeg==", "tokenizers=="))]


@pytest.fixture(params=["classifier", "sentiment"])
def served(request: pytest.FixtureRequest, store: Path) -> Served:
    if request.param == "sentiment":
        return Served("sentiment", store / sentiment.NAME / sentiment.VERSION, {"text": TEXT})
    picture = base64.b64encode(jpeg(data.coffee())).decode()
    return Served("classifier", store / resnet50.NAME / resnet50.VERSION, {"b64": picture})


def test_side_by_side(served: Served, table: Table) -> None:
    seen = {name: Seen() for name in (BARE, OURS, *OTHERS)}
    failed: list[str] = []
    for turn in range(ROUNDS):
        for name in list(seen)[:: -1 if turn % 2 else 1]:
            if name == BARE:
                measure_bare(served, seen[name])
            else:
                try:
                    measure(name, served, seen[name])
                except (AssertionError, psutil.Error) as error:  # what the others did is not lost for one
                    failed.append(f"{name}: {error}")
            print(f"\n  {served.app}, {name}, round {turn + 1}: {row(seen[name], seen[BARE])}")
    table.more += [] if table.more else [ABOUT]
    table.more.append(markdown(served, seen))
    assert not failed, failed


def measure(name: str, served: Served, seen: Seen) -> None:
    """Start a server, ask it, and stop it."""
    [port] = free_ports(1)
    command, path, body = served.asked_of(name)
    ask: Request = (
        "POST",
        f"http://127.0.0.1:{port}{path}",
        json.dumps(body).encode(),
        (("Content-Type", "application/json"),),
    )
    began = time.perf_counter()
    with started(command, served.environment(port, core.THREADS)) as tree:
        with connection(ask[1]) as one:

            def answers() -> bool:
                assert tree.first.status() != psutil.STATUS_ZOMBIE, f"{name} ended"
                return one(ask) == 200

            until(answers, f"{name} answers", START_S)
        seen.start_s = min(seen.start_s, time.perf_counter() - began)
        for clients in CLIENTS:
            closed_loop(ask, clients, lambda timings, least=clients: timings.statuses.total() >= least)
            before, ends = tree.cpu_s(), time.perf_counter() + SECONDS
            done = closed_loop(ask, clients, lambda _, ends=ends: time.perf_counter() > ends)
            assert set(done.statuses) == {200}, f"{name}: {done.statuses}"
            seen.add(clients, done, tree.cpu_s() - before)
        seen.mib = max(seen.mib, tree.mib())


def measure_bare(served: Served, seen: Seen) -> None:
    """Decode and predict in this process."""
    model = core.KINDS[served.app](served.folder, core.THREADS)
    for clients in CLIENTS:
        size = min(clients, core.MAX_BATCH)
        took = repeated(lambda size=size: model.predict([model.decode(served.asked) for _ in range(size)]))
        timings = Timings(seconds=[seconds for seconds, _ in took for _ in range(size)])
        timings.elapsed_s = sum(seconds for seconds, _ in took)
        seen.add(clients, timings, sum(cpu_s for _, cpu_s in took))


def repeated(action: Callable[[], object]) -> list[tuple[float, float]]:
    """What each time took, in seconds and in seconds of processor."""
    action()
    took, ends = [], time.perf_counter() + SECONDS / 2
    while time.perf_counter() < ends:
        started, cpu = time.perf_counter(), time.process_time()
        action()
        took.append((time.perf_counter() - started, time.process_time() - cpu))
    return took


def row(seen: Seen, bare: Seen) -> str:
    """Its cells; what has no server has no start and no memory of its own."""
    cells = [f"{seen.start_s:.1f} s", f"{seen.mib:.0f}"] if seen is not bare else ["", ""]
    for clients, timings in seen.timings.items():
        if not timings.seconds:
            continue
        cpu_ms = seen.cpu_s[clients] / len(timings.seconds) * 1000
        ratio = timings.per_second / bare.timings[clients].per_second
        cells += [f"{timings.per_second:.1f}, {ratio:.2f}×", f"{timings.ms(50):.1f}", f"{timings.ms(99):.1f}"]
        cells += [f"{cpu_ms:.2f}"]
    return " | ".join(cells)


def markdown(served: Served, seen: dict[str, Seen]) -> str:
    """One table."""
    columns = [f"{clients}: {what}" for clients in CLIENTS for what in ("/s", "p50 ms", "p99 ms", "processor ms")]
    heads = ["server", "cold start", "MiB", *columns]
    lines = [f"\n### {served.app}, {served.folder.parent.name}; by number of clients\n"]
    lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {name} | {row(one, seen[BARE])} |" for name, one in seen.items()]
    return "\n".join(lines)
