"""Shadow traffic from end to end: Envoy copies requests, both versions log them, and the report finds what is known."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from ops import payloads, shadow
from ops.cli import command_line
from stacks.outputs import App, Deployment, Version
from tests.apps.doubler import write_doubler
from tests.apps.shadowed import CANARY, CANARY_SCORE, DISAGREES_EVERY, STABLE_SCORE
from tests.local.gateway.running import Gateway, app
from tests.until import until

STABLE = "1.0.0"
REQUESTS = 80
LOGS = Path(".modelserve/local/log/payloads/echo")

pytestmark = pytest.mark.local


@dataclass
class Served:
    """A version of the doubler in a process of its own, which logs every payload."""

    endpoint: str


@contextmanager
def serving(folder: Path, version: str) -> Iterator[Served]:
    write_doubler(folder, version=version)
    told = {
        "MODEL_NAME": "doubler",
        "MODEL_VERSION": version,
        "MODEL_STORES": str(folder),
        "THREADS": "1",
        "PAYLOAD_SAMPLE": "1",
        "PAYLOAD_FOLDER": str(folder / LOGS),
    }
    log = folder / f"{version}.log"
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, "-m", "tests.apps.shadowed"], env=os.environ | told, stdout=output)
    with process:
        try:
            until(lambda: '"model ready"' in log.read_text(), f"{version} is ready", 30)
            yield Served(f"127.0.0.1:{json.loads(log.read_text().splitlines()[0])['port']}")
        finally:
            process.terminate()


@pytest.fixture
def versions(tmp_path: Path) -> Iterator[dict[str, Served]]:
    with serving(tmp_path, STABLE) as stable, serving(tmp_path, CANARY) as canary:
        yield {STABLE: stable, CANARY: canary}


def test_mirrored_answers_are_compared_with_stables(
    gateway: Gateway, versions: dict[str, Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.lead_to(app(versions[STABLE], canary=versions[CANARY], mirror=100))  # type: ignore[arg-type]
    url = f"{gateway.url}/echo/v1/models/doubler:predict"
    with httpx.Client() as client:
        for number in range(1, REQUESTS + 1):
            answer = client.post(url, json={"instances": [number]})
            assert answer.json() == {"predictions": [{"doubled": 2.0 * number}]}
    until(
        lambda: sum(file.read_text().count("\n") for file in (tmp_path / LOGS).glob("*.jsonl")) == 2 * REQUESTS,
        "all logged",
    )

    described = [Version(label=STABLE), Version(label=CANARY, weight=0, mirror=100)]
    deployed = Deployment(gateway=gateway.url, apps={"echo": App(summary="", urls=[], versions=described)})
    monkeypatch.setattr(shadow, "read_deployment", lambda _stack: deployed)
    monkeypatch.setattr(payloads, "CHECKOUT", tmp_path)
    told = CliRunner().invoke(command_line(), ["shadow", "echo", "--json"])
    assert told.exit_code == 0, told.output
    report = json.loads(told.stdout)
    assert "87.50%" in CliRunner().invoke(command_line(), ["shadow", "echo"]).output
    agreed = REQUESTS - REQUESTS // DISAGREES_EVERY
    assert (report["compared"], report["stable_only"], report["canary_only"]) == (REQUESTS, 0, 0)
    assert report["agreed"] == agreed
    assert report["low"] < agreed / REQUESTS < report["high"]
    assert report["score"]["mean"] == pytest.approx(STABLE_SCORE - CANARY_SCORE, abs=1e-6)
    assert len(report["disagreements"]) == REQUESTS // DISAGREES_EVERY
    assert all(one["canary"] == ["negative"] for one in report["disagreements"])
    assert all(report["ratio"][name] > 0 for name in ("p50", "p95", "p99"))
