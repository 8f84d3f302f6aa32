"""What is fetched from a hub that answers as the real one does, and what is said when that ends early."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import IO, Any

import huggingface_hub
import pytest
from huggingface_hub import constants, file_download

from models import hub
from models.hub import Published, Unavailable

COMMIT = "c0ffee" + "0" * 34
WEIGHTS = b"weights" * 100_000
MODEL = Published("toy", "1.0.0", "maker/toy", ("model.safetensors",), "another model serves")


class Hub(BaseHTTPRequestHandler):
    """A repository of one file, which lies elsewhere: whoever asks for it is sent to a content delivery network."""

    given = len(WEIGHTS)
    """Bytes of the file until the connection breaks."""
    status = 302
    """Of the answer to whoever wants the file."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        port = self.server.server_address[1]
        linked = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(WEIGHTS)), "X-Linked-Etag": f'"{digest()}"'}
        if self.path.startswith("/api/models/maker/toy/revision/"):
            self.answer(200, json.dumps({"id": "maker/toy", "sha": COMMIT}).encode())
        elif self.path.startswith("/api/models/maker/toy/tree/"):
            lfs = {"oid": digest(), "size": len(WEIGHTS), "pointerSize": 134}
            entry = {"type": "file", "path": MODEL.files[0], "size": len(WEIGHTS), "oid": "0" * 40, "lfs": lfs}
            self.answer(200, json.dumps([entry]).encode())
        elif self.path.startswith("/maker/toy/resolve/"):
            self.answer(self.status, b"", {"Location": f"http://localhost:{port}/cdn", **linked})
        elif self.path == "/cdn":
            self.answer(200, WEIGHTS)
        else:
            self.answer(200, b"")

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[: self.given])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def digest() -> str:
    return hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Hub]]:
    """The hub of this test, which its library takes for the real one."""

    class Own(Hub):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    at(f"http://127.0.0.1:{server.server_port}", monkeypatch)
    yield Own
    server.shutdown()
    thread.join()
    server.server_close()


def at(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.delenv(hub.MIRROR, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    huggingface_hub.close_session()
    hub.silence.cache_clear()


def test_a_file_that_lies_elsewhere_is_followed_there(answers: type[Hub], tmp_path: Path) -> None:
    with hub.fetched(MODEL, tmp_path) as (folder, source):
        assert (folder / MODEL.files[0]).read_bytes() == WEIGHTS
    assert source == f"maker/toy at commit {COMMIT}"


def test_what_it_takes_is_said_before_it_is_fetched(
    answers: type[Hub], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with hub.fetched(MODEL, tmp_path):
        said = capfd.readouterr().err.splitlines()
    assert said[0] == "Fetching maker/toy from the hub (1 MB: 0 s at 50 Mbit/s) …"
    assert said[1].startswith("Fetching maker/toy from the hub: done")
    assert len(said) == 2


def test_what_was_fetched_goes_also_when_nothing_can_be_made_of_it(answers: type[Hub], tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hub.fetched(MODEL, tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_breaks_off_is_no_hub_that_is_away(
    answers: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "given", 1000)
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)
    with pytest.raises(Unavailable, match="the hub did not give it"), hub.fetched(MODEL, tmp_path):
        pass
    monkeypatch.setattr(answers, "given", len(WEIGHTS))
    with hub.fetched(MODEL, tmp_path) as (folder, _):
        assert (folder / MODEL.files[0]).read_bytes() == WEIGHTS


def test_a_file_that_is_refused_is_no_hub_that_is_away(
    answers: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "status", 403)
    with pytest.raises(Unavailable, match=r"the hub did not give it \(.*403"), hub.fetched(MODEL, tmp_path):
        pass


def test_a_full_disk_is_not_taken_for_a_hub_that_is_away(
    answers: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_url: str, temp_file: IO[bytes], **_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), temp_file.name)

    monkeypatch.setattr(file_download, "http_get", full)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)), hub.fetched(MODEL, tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_hub_that_is_not_there_is_asked_once_and_by_the_next_set_up_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at("http://127.0.0.1:1", monkeypatch)
    with pytest.raises(Unavailable, match=r"the hub cannot be reached \(.*refused"), hub.fetched(MODEL, tmp_path):
        pass
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: pytest.fail("asked again"))
    with pytest.raises(Unavailable), hub.fetched(MODEL, tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_hub_that_somebody_switched_off_is_not_asked(
    answers: type[Hub], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(Unavailable, match="offline mode is enabled"), hub.fetched(MODEL, tmp_path):
        pass
