"""As much of MLflow's REST API as reading a registry takes, said as the real server says it."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"


@dataclass
class Registered:
    """A version of a model; its run has the same number."""

    name: str
    tags: dict[str, str]
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])


class Tracking:
    """A server on the loopback interface.

    Attributes:
        versions: what is registered, by MLflow's own number.
        aliases: number by model and alias.
        uri: where runs keep their artifacts, but for their number.
        asked: paths that were asked for, in order.
        broken: what it answers whatever it is asked, if anything.
    """

    def __init__(self, prefix: str = "") -> None:
        self.versions: dict[int, Registered] = {}
        self.aliases: dict[tuple[str, str], int] = {}
        self.uri = "mlflow-artifacts:/1/"
        self.asked: list[str] = []
        self.broken: tuple[int, bytes] | None = None
        self._prefix = prefix
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.store = f"mlflow+http://127.0.0.1:{self._server.server_port}{prefix}"
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def register(self, folder: Path, alias: str | None = "production") -> Registered:
        """Log an artefact's folder as a run, register that, and let the alias point at it."""
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
        digest = hashlib.sha256(files["artefact.json"]).hexdigest()
        tags = {"artefact_version": folder.name, "artefact_sha256": digest}
        number = len(self.versions) + 1
        self.versions[number] = Registered(folder.parent.name, tags, files)
        if alias:
            self.aliases[(folder.parent.name, alias)] = number
        return self.versions[number]

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        """Status and body."""
        self.asked.append(path)
        if self.broken:
            return self.broken
        if path.startswith(ARTIFACTS):
            run, _, file = path.removeprefix(f"{ARTIFACTS}1/").partition("/artifacts/artefact/")
            content = self.versions[int(run)].files.get(file)
            return (200, content) if content is not None else _error(404, "RESOURCE_DOES_NOT_EXIST")
        return self._about(path.removeprefix("/api/2.0/mlflow/"), query)

    def _about(self, what: str, query: dict[str, str]) -> tuple[int, bytes]:
        if what == "registered-models/alias":
            if query["name"] not in {each.name for each in self.versions.values()}:
                return _error(404, "RESOURCE_DOES_NOT_EXIST")
            number = self.aliases.get((query["name"], query["alias"]))
            return _json(model_version=self._told(number)) if number else _error(400, "INVALID_PARAMETER_VALUE")
        if what == "model-versions/search":
            asked = re.fullmatch(r"name='(.+)' and tags.artefact_version='(.+)'", query["filter"])
            found = [
                self._told(number)
                for number, each in self.versions.items()
                if not asked or asked.groups() == (each.name, each.tags["artefact_version"])
            ]
            return _json(model_versions=found) if found else _json()
        if what == "runs/get":
            return _json(run={"info": {"artifact_uri": f"{self.uri}{query['run_id']}/artifacts"}})
        return 404, b"Not Found"

    def _told(self, number: int) -> dict[str, Any]:
        version = self.versions[number]
        tags = [{"key": key, "value": value} for key, value in version.tags.items()]
        return {"name": version.name, "version": str(number), "run_id": str(number), "tags": tags}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tracking = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
                path = unquote(parts.path)
                below = path.startswith(f"{tracking._prefix}/api/")
                status, body = tracking.answer(path.removeprefix(tracking._prefix), query) if below else (404, b"")
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _json(**told: object) -> tuple[int, bytes]:
    return 200, json.dumps(told).encode()


def _error(status: int, code: str) -> tuple[int, bytes]:
    return status, json.dumps({"error_code": code, "message": "…"}).encode()
