"""As much of S3 as artefacts take: objects and lists of them, a bucket that refuses, and one that stumbles."""

import hashlib
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from models.artefact import Artefact, Signature, Tensor

URL = "s3://models/artefacts"
MADE = "2026-11-21T06:25:08Z"


def written(folder: Path) -> Path:
    Artefact.write(
        folder,
        {"model.onnx": b"weights", "labels.txt": b"dry\nwet\n"},
        format="onnx",
        license="Apache-2.0",
        provenance="drawn",
        made_by="python -m models.toy",
        signature=Signature(inputs=(Tensor("image", "FP32", (1,)),), outputs=(Tensor("scores", "FP32", (2,)),)),
        preprocess={},
        labels="labels.txt",
        metrics={},
    )
    return folder


class Bucket:
    """A server on the loopback interface.

    Attributes:
        objects: content by key.
        asked: keys that were asked for, in order.
        put: keys that were written, in order.
        readers: ids of the keys that may read; empty lets everybody.
        stumbles: how many requests still get 503.
        room: how many objects may be written; the next are refused. None takes any number.
        listed: prefix that may be listed; who asks for what is not there is refused unless that is all of the bucket.
        closed: keys that nobody may read.
        missing: whether there is no such bucket.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.put: list[str] = []
        self.readers: set[str] = set()
        self.stumbles = 0
        self.room: int | None = None
        self.listed = ""
        self.closed: set[str] = set()
        self.missing = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def hold(self, folder: Path, prefix: str) -> None:
        """Keep the files of a folder."""
        for file in folder.iterdir():
            self.objects[f"{prefix}/{file.name}"] = file.read_bytes()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, query: dict[str, list[str]], authorization: str) -> tuple[int, bytes]:
        """Status and body."""
        if self.stumbles:
            self.stumbles -= 1
            return 503, b"<Error><Code>SlowDown</Code></Error>"
        refused = 403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        if self.readers and not any(f"Credential={reader}/" in authorization for reader in self.readers):
            return refused
        key = unquote(path).removeprefix("/models").removeprefix("/")
        if "list-type" in query:
            prefix = query.get("prefix", [""])[0]
            return (200, self._list(prefix).encode()) if prefix.startswith(self.listed) else refused
        self.asked.append(key)
        if self.missing or key not in self.objects:
            return refused if self.listed else (404, b"<Error><Code>NoSuchKey</Code></Error>")
        if key in self.closed:
            return refused
        return 200, self.objects[key]

    def _list(self, prefix: str) -> str:
        below = [key[len(prefix) :] for key in self.objects if key.startswith(prefix)]
        folders = sorted({rest.split("/")[0] for rest in below if "/" in rest})
        own = [prefix + rest for rest in below if "/" not in rest]
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>1</Size><LastModified>{MADE}</LastModified></Contents>"
            for key in own
        )
        found += "".join(f"<CommonPrefixes><Prefix>{escape(prefix + f)}/</Prefix></CommonPrefixes>" for f in folders)
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                key = unquote(urlsplit(self.path).path).removeprefix("/models/")
                content = self.rfile.read(int(self.headers["content-length"]))
                status = 404 if bucket.missing else 403 if bucket.room == len(bucket.put) else 200
                if status == 200:
                    bucket.put.append(key)
                    bucket.objects[key] = content
                self.send_response(status)
                self.send_header("etag", '"1"')
                self.send_header("content-length", "0")
                self.end_headers()

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                authorization = self.headers.get("authorization", "")
                status, body = bucket.answer(parts.path, parse_qs(parts.query), authorization)
                tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
                if found := re.match(r"bytes=(\d+)-(\d+)$", self.headers.get("range", "")):
                    first, last = map(int, found.groups())
                    whole, body, status = len(body), body[first : last + 1], 206
                self.send_response(status)
                if status == 206:
                    self.send_header("content-range", f"bytes {first}-{last}/{whole}")
                self.send_header("content-length", str(len(body)))
                self.send_header("etag", tag)
                self.send_header("last-modified", "Sat, 21 Nov 2026 06:25:08 GMT")
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
