"""10,000 idle callers and 200 slow ones: what somebody who only wants an answer notices of them."""

from pathlib import Path

import httpx
import psutil
import pytest

from tests.apps.processes import running
from tests.bench.conftest import Table
from tests.bench.load import Request, Timings, closed_loop
from tests.crowd import crowd
from tests.local.gateway.running import Gateway, Props, app

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

IDLE, SLOW = 10_000, 100
CALLS = 1000


def test_the_gateway_and_an_app_among_ten_thousand(tmp_path: Path, table: Table) -> None:
    with running("detector", tmp_path, MODEL_NAME="circle_detector", MODEL_VERSION="1.1.0") as url:
        port = httpx.URL(url).port or 0
        [process] = [one for one in psutil.Process().children() if one.net_connections()]
        told("an app's own port", table, f"{url}/ready", process, port)
        gateway = Gateway(tmp_path)
        try:
            gateway.lead_to(app_at(port))
            told("the gateway", table, f"{gateway.url}/echo/ready", psutil.Process(gateway.pid()), gateway.port)
        finally:
            gateway.end()


def app_at(port: int) -> Props:
    return app() | {"stable": {"version": "1.0.0", "endpoints": [f"127.0.0.1:{port}"]}}


def told(what: str, table: Table, url: str, process: psutil.Process, port: int) -> None:
    ask: Request = ("GET", url, b"", ())
    before, resident = asked(ask), process.memory_info().rss
    with crowd(port, idle=IDLE, slow=SLOW) as there:
        assert there.held() > IDLE
        during, grown = asked(ask), process.memory_info().rss - resident
    after = asked(ask)
    table.add(
        f"{IDLE:,} idle and {2 * SLOW} slow callers at {what}",
        f"p50 / p99 of another: {shown(before)} before, {shown(during)} among them, {shown(after)} after;"
        f" {grown / 2**20:.0f} MiB for them",
        "0 failed",
        met=True,  # or nothing is told: see asked
    )


def asked(ask: Request) -> Timings:
    done = closed_loop(ask, 1, lambda timings: timings.statuses.total() >= CALLS)
    assert set(done.statuses) == {200}
    return done


def shown(timings: Timings) -> str:
    return f"{timings.ms(50):.1f} / {timings.ms(99):.1f} ms"
