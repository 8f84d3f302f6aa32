"""Apps in processes of their own, as the platform runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.ports import answers
from tests.until import until


@contextmanager
def running(app: str, folder: Path, **told: str) -> Iterator[str]:
    """The URL of an app that is ready; its log is kept in ``folder``."""
    log = folder / f"{app}.log"
    environment = os.environ | {"PORT": "0", "THREADS": "1"} | told
    with log.open("w") as into:
        process = subprocess.Popen([sys.executable, "-m", "apps.runtime", app], env=environment, stdout=into)
    try:
        until(lambda: process.poll() is not None or _port(log), f"{app} listens", 60)
        assert process.poll() is None, log.read_text()
        port = _port(log) or 0
        until(lambda: answers(port, "/ready"), f"{app} is ready", 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _port(log: Path) -> int | None:
    lines = [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return next((line["port"] for line in lines if line["event"] == "listening"), None)
