"""Artefacts in MLflow's model registry, by version or by alias, read over its REST API.

A registered version belongs to a run, whose artifact folder ``artefact/`` is ours. Its tag ``artefact_version`` is our
version, ``artefact_sha256`` the digest of our manifest, and the manifest has the digests of all else
(https://mlflow.org/docs/latest/api_reference/rest-api.html).
"""

import hashlib
import re
from collections.abc import Collection, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pydantic_core

from models.artefact import MANIFEST, MANIFEST_LIMIT, ArtefactError
from models.placing import is_there, listed, place, whole
from models.store import VERSION, StoreError

FOLDER = "artefact"
VERSION_TAG, DIGEST_TAG = "artefact_version", "artefact_sha256"

TIMEOUT = httpx.Timeout(20, connect=3)
"""For a connection, and between two pieces of an answer."""
RETRIES = 2
"""Of a connection that cannot be made, as while the server starts again."""
ANSWER_LIMIT = 4 << 20
"""Bytes of an answer about models; a hundred versions have about a hundred thousand."""
LISTED = 100
TOTAL_LIMIT = 4 << 30
"""Bytes of an artefact; what clusters give to their cache holds two."""

NO_ALIAS = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})
"""What it calls a model that is not there, and a model without the alias."""

PLAIN_PATH = re.compile(r"mlflow-artifacts:(?://[^/]*)?((?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+)")


def fetch(url: str, name: str, version: str, cache: Path) -> Path | None:
    """The folder of an artefact, from the cache or from the registry; None where the registry does not have it.

    Args:
        url: of the registry, ``mlflow+http://host:port/prefix``.
        name: of the registered model and of the artefact.
        version: of the artefact, or ``@alias``, which is always asked for anew.
        cache: where artefacts are kept.

    Raises:
        StoreError: the registry cannot be read.
        ArtefactError: what it has is not what it says; nothing is kept of it.
    """
    if not version.startswith("@") and is_there(folder := place(cache, url, name, version)):
        return folder
    with _Registry(url) as registry:
        found = registry.registered(name, version)
        if found is None:
            return None
        tags = {str(tag.get("key")): str(tag.get("value")) for tag in found.get("tags", ())}
        meant = tags.get(VERSION_TAG, "")
        if not VERSION.fullmatch(meant):
            where = Path(name) / f"version {found.get('version')} in {url}"
            raise ArtefactError(where, f"a version in the tag {VERSION_TAG}", repr(meant), "Register the model again.")
        folder = place(cache, url, name, meant)
        if not is_there(folder):
            _fetch(registry, str(found.get("run_id")), tags.get(DIGEST_TAG, ""), folder)
    return folder


def versions(url: str) -> list[tuple[str, str]]:
    """Name and version of the newest artefacts in a registry.

    Raises:
        StoreError: the registry cannot be read.
    """
    with _Registry(url) as registry:
        found = registry.search("")
    tagged = [(one["name"], tag["value"]) for one in found for tag in one.get("tags", ()) if tag["key"] == VERSION_TAG]
    return sorted(tagged)


def _fetch(registry: "_Registry", run: str, digest: str, folder: Path) -> None:
    source = registry.artefacts_of(run)
    manifest = registry.content(f"{source}/{MANIFEST}", folder / MANIFEST)
    found = hashlib.sha256(manifest).hexdigest()
    if found != digest:
        wanted = f"SHA-256 {digest}, as the tag {DIGEST_TAG} says" if digest else f"a tag {DIGEST_TAG}"
        raise ArtefactError(folder / MANIFEST, wanted, found if digest else "none", "Register the model again.")
    files = listed(manifest, folder / MANIFEST)
    if sum(each.bytes for each in files.values()) > TOTAL_LIMIT:
        raise ArtefactError(folder / MANIFEST, f"at most {TOTAL_LIMIT} bytes in all", "more")
    with whole(folder, manifest) as filled:
        for name, each in files.items():
            registry.download(f"{source}/{name}", filled / name, each.bytes)


class _Registry:
    """A connection to a tracking server; a context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        parts = urlsplit(url.removeprefix("mlflow+"))
        if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
            raise StoreError(f"{url} is no registry.\n  Give mlflow+http://host:port, or mlflow+https://, no password.")
        self._client = httpx.Client(
            base_url=parts.geturl().rstrip("/") + "/api/2.0/",
            timeout=TIMEOUT,
            # Nobody else may answer for it: neither a proxy of the environment nor where it would send us.
            transport=httpx.HTTPTransport(retries=RETRIES),
            trust_env=False,
        )

    def __enter__(self) -> "_Registry":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def registered(self, name: str, version: str) -> dict[str, Any] | None:
        """The registered version that an alias points at, or that is tagged as ours; None where there is none."""
        if version.startswith("@"):
            answer = self._ask("mlflow/registered-models/alias", NO_ALIAS, name=name, alias=version[1:])
            return answer.get("model_version") if answer else None
        found = self.search(f"name='{name}' and tags.{VERSION_TAG}='{version}'")
        return found[0] if found else None

    def search(self, wanted: str) -> list[dict[str, Any]]:
        """Registered versions, the newest first."""
        answer = self._ask("mlflow/model-versions/search", filter=wanted, max_results=str(LISTED))
        return (answer or {}).get("model_versions", [])

    def artefacts_of(self, run: str) -> str:
        """Path of a run's artefact below the server's artifacts."""
        answer = self._ask("mlflow/runs/get", run_id=run)
        uri = str((answer or {}).get("run", {}).get("info", {}).get("artifact_uri"))
        plain = PLAIN_PATH.fullmatch(uri)
        if not plain:
            raise StoreError(
                f"{self._url} keeps the files of run {run} at {uri}, where we cannot read them.\n"
                "  Start the server with --serve-artifacts, and train again."
            )
        return f"mlflow-artifacts/artifacts{plain[1]}/{FOLDER}"

    def content(self, path: str, file: Path) -> bytes:
        """A small file.

        Raises:
            ArtefactError: it is not there, or not small.
        """
        kept = bytearray()
        for part in self._parts(path, file):
            kept += part
            if len(kept) > MANIFEST_LIMIT:
                raise ArtefactError(file, f"at most {MANIFEST_LIMIT} bytes", "more")
        return bytes(kept)

    def download(self, path: str, file: Path, size: int) -> None:
        """A file of a known size; its digest is checked when all are there.

        Raises:
            ArtefactError: it is not there, or larger.
        """
        arrived = 0
        with file.open("wb") as kept:
            for part in self._parts(path, file):
                arrived += len(part)
                if arrived > size:
                    raise ArtefactError(file, f"{size} bytes", "more")
                kept.write(part)

    def _parts(self, path: str, file: Path) -> Iterator[bytes]:
        try:
            with self._client.stream("GET", quote(path), headers={"accept-encoding": "identity"}) as answer:
                if answer.status_code == HTTPStatus.NOT_FOUND:
                    raise ArtefactError(file, "a file in the registry", "none")
                self._refuse(answer)
                yield from answer.iter_raw()
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def _ask(self, path: str, unknown: Collection[str] = (), **query: str) -> dict[str, Any] | None:
        """The answer about a model; None for an error that is among ``unknown``."""
        try:
            with self._client.stream("GET", path, params=query) as answer:
                content = b""
                for part in answer.iter_bytes():
                    content += part
                    if len(content) > ANSWER_LIMIT:
                        raise StoreError(f"{self._url} answers more than {ANSWER_LIMIT} bytes.\n  Is it MLflow?")
        except httpx.HTTPError as error:
            raise self._away(error) from error
        try:
            told = pydantic_core.from_json(content)  # which bounds nesting
        except ValueError:
            told = None
        if isinstance(told, dict) and told.get("error_code") in unknown:
            return None
        self._refuse(answer)
        if not isinstance(told, dict):
            raise StoreError(f"{self._url} answers what is no JSON object.\n  Is it MLflow?")
        return told

    def _refuse(self, answer: httpx.Response) -> None:
        if answer.status_code != HTTPStatus.OK:
            what = f"{answer.status_code} for {answer.request.url.path}"
            raise StoreError(f"{self._url} answers {what}.\n  Is that MLflow's address, its prefix included?")

    def _away(self, error: httpx.HTTPError) -> StoreError:
        reason = str(error) or type(error).__name__
        return StoreError(f"{self._url} cannot be reached: {reason}.\n  Does MLflow run there?")
