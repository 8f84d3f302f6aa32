"""A step on its own: what it asks for before it begins, and what it takes from the step before."""

import hashlib
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from models.road import steps
from models.road.objects import Places


class Answering(HTTPServer):
    """A server that has one answer."""

    status, body = 200, b"OK"
    asked: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Answering]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked = self.path
            self.send_response(made.status)
            self.end_headers()
            self.wfile.write(made.body)

        def log_message(self, *_: object) -> None:
            pass

    made = Answering(("127.0.0.1", 0), Handler)
    Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_mlflow_is_asked_below_its_prefix(server: Answering) -> None:
    steps.check(f"{server.url}/mlflow/")
    assert server.asked == "/mlflow/health"


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>Grafana</html>"), (404, b"Not Found"), (302, b""), (503, b"OK")]
)
def test_what_answers_other_than_mlflow_is_not_taken_for_it(server: Answering, status: int, body: bytes) -> None:
    server.status, server.body = status, body
    with pytest.raises(steps.StepError, match=rf"/health answers {status} .*where MLflow says OK"):
        steps.check(server.url)


def step(monkeypatch: pytest.MonkeyPatch, *given: object) -> None:
    monkeypatch.setattr(sys, "argv", ["steps", *map(str, given)])
    steps.main()


def test_a_fetch_tells_the_digest_of_what_it_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "road.zip").write_bytes(b"pictures")
    Places((tmp_path / "store").as_uri(), "data", "road.zip", "models").put_data(tmp_path / "road.zip")
    store = ["--minio-endpoint", (tmp_path / "store").as_uri(), "--source-data-bucket", "data"]
    step(monkeypatch, "fetch", *store, "--data", tmp_path / "in" / "data", "--digest", tmp_path / "told" / "digest")
    assert (tmp_path / "told" / "digest").read_text() == hashlib.sha256(b"pictures").hexdigest()


def test_a_training_refuses_other_data_than_were_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_bytes(b"other pictures")
    with pytest.raises(SystemExit) as ended:
        step(monkeypatch, "train", "--data", tmp_path / "data", "--run", tmp_path / "run", "--sha256", "0" * 64)
    assert ended.value.code == 1
    assert f"not {'0' * 64}" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
