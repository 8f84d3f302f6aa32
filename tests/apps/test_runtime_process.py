"""A real process: what it logs, what it refuses to start with, and how it leaves."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.runtime.__main__ import main
from tests.apps.doubler import write_doubler

PREDICT = "/v1/models/doubler:predict"


class Served:
    """A process that serves the doubling model, and the lines that it logged so far."""

    def __init__(self, store: Path, **environment: str) -> None:
        told = {"MODEL_NAME": "doubler", "MODEL_VERSION": "1.0.0", "MODEL_STORES": str(store), "THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.apps.doubler"],
            env=os.environ | told | environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = f"http://127.0.0.1:{self.logged('listening')['port']}"
        self.logged("model ready")

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._news:
                self.lines.append(json.loads(line))
                self._news.notify_all()

    def logged(self, event: str, **members: object) -> dict[str, Any]:
        """The first line with this event and these members, waited for."""

        def found() -> dict[str, Any] | None:
            wanted = members | {"event": event}
            return next((line for line in self.lines if wanted.items() <= line.items()), None)

        with self._news:
            line = self._news.wait_for(found, timeout=30)
        assert line, f"no {event} {members} in {self.lines}"
        return line

    def ends(self) -> int:
        """Its exit code, waited for, and every line that it logged."""
        code = self.process.wait(30)
        self._reader.join()
        return code


@contextmanager
def serving_process(store: Path, **environment: str) -> Iterator[Served]:
    served = Served(store, **environment)
    try:
        yield served
    finally:
        served.process.kill()
        served.process.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One process for all tests that leave it as it is."""
    store = tmp_path_factory.mktemp("store")
    write_doubler(store)
    with serving_process(store, MAX_UPLOAD_SIZE="1000", REQUEST_TIMEOUT_S="5") as process:
        yield process


def test_a_request_is_one_line_of_json_with_its_trace(served: Served) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    answer = httpx.post(served.url + PREDICT, json={"instances": [1]}, headers=headers)
    line = served.logged("request", trace_id=trace_id)
    assert line["route"] == "/v1/models/{name}:predict"
    assert (line["method"], line["status"], line["level"], line["app"]) == ("POST", 200, "info", "doubler")
    assert line["duration_ms"] > 0
    assert line["span_id"] == answer.headers["traceparent"].split("-")[2]


def test_probes_are_not_logged(served: Served) -> None:
    httpx.get(f"{served.url}/health")
    httpx.get(f"{served.url}/nowhere")
    served.logged("request", path="/nowhere")
    assert [line for line in served.lines if line.get("path") == "/health"] == []


def test_the_web_servers_own_lines_are_json_too(served: Served) -> None:
    assert served.logged("Application startup complete.")["logger"] == "uvicorn.error"


def test_an_error_of_ours_has_its_traceback_in_the_log_alone(served: Served) -> None:
    answer = httpx.get(f"{served.url}/slow", params={"seconds": "nan"})
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    line = served.logged("request failed")
    assert "ValueError" in line["exception"]
    assert line["trace_id"] in answer.json()["detail"]


def test_a_chunked_body_without_end_is_cut_off_at_the_limit(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", int(served.url.rsplit(":", 1)[1]))) as link:
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        link.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(11):
            link.sendall(b"64\r\n" + b" " * 100 + b"\r\n")
        assert link.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.local
def test_a_killed_process_is_gone_at_once_and_its_port_free(store: Path) -> None:
    with serving_process(store) as served:
        served.process.send_signal(signal.SIGKILL)
        assert served.ends() == -signal.SIGKILL
        with pytest.raises(httpx.ConnectError):
            httpx.get(served.url)


@pytest.mark.local
def test_an_idle_process_leaves_with_0(store: Path) -> None:
    with serving_process(store) as served:
        served.process.send_signal(signal.SIGTERM)
        assert served.ends() == 0
        assert served.lines[-1]["event"] == "left"


@pytest.mark.local
def test_draining_answers_what_is_in_flight_and_what_still_comes(store: Path) -> None:
    with serving_process(store, DRAIN_S="20") as served, httpx.Client(base_url=served.url) as kept_alive:
        kept_alive.get("/health")
        slow: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: slow.append(httpx.get(f"{served.url}/slow?seconds=0.5")))
        asking.start()
        while "http_server_active_requests 2.0" not in kept_alive.get("/metrics").text:
            pass
        served.process.send_signal(signal.SIGTERM)
        while (ready := kept_alive.get("/ready")).status_code == 200:
            pass
        assert ready.headers["connection"] == "close"
        assert kept_alive.post(PREDICT, json={"instances": [1]}).status_code == 200
        asking.join()
        assert slow[0].status_code == 200
        assert served.ends() == 0


@pytest.mark.local
def test_what_is_not_done_when_draining_ends_is_told_to_try_again(store: Path) -> None:
    answers: list[httpx.Response] = []
    with serving_process(store, DRAIN_S="1") as served:
        asking = threading.Thread(target=lambda: answers.append(httpx.get(f"{served.url}/slow?seconds=29", timeout=30)))
        asking.start()
        while "http_server_active_requests 2.0" not in httpx.get(f"{served.url}/metrics").text:
            pass
        served.process.send_signal(signal.SIGTERM)
        assert served.ends() == 0
        asking.join()
    assert answers[0].status_code == 503
    assert answers[0].headers["retry-after"] == "1"


def test_a_wrong_setting_ends_with_2_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", "http")
    monkeypatch.setenv("MAX_BATCH", "0")
    assert main(["detector"]) == 2
    told = capsys.readouterr().err
    assert "PORT is 'http'" in told
    assert "MAX_BATCH is '0'" in told


def test_help_teaches_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    for name in ("MODEL_NAME", "MAX_UPLOAD_SIZE", "DRAIN_S", "detector"):
        assert name in text
