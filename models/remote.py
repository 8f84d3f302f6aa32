"""Artefacts in S3, or what speaks its protocol: fetched into the cache, complete and verified, or not at all."""

import configparser
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore, S3Store

from models.artefact import MANIFEST, ArtefactError, File
from models.placing import is_there, listed, place, whole
from models.store import StoreError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

CONNECT_S = 3
PART = 8 * 1024 * 1024
PROFILE = "default"
METADATA = "/latest/api/token"
"""Where a machine of AWS is asked for its role, when nothing else gives credentials."""


def open_store(url: str, *, answer_s: int = 60, retries: int = 8, retry_s: int = 60) -> ObjectStore:
    """The store at ``s3://bucket/prefix``.

    Region, endpoint and credentials come from the ``AWS_…`` environment as AWS' own tools read it: variables, a file
    that ``AWS_SHARED_CREDENTIALS_FILE`` names, or a role.

    Args:
        url: of the store.
        answer_s: how long a request may take, its answer included.
        retries: how often one is tried again that the store did not answer, or with 5xx or 429.
        retry_s: for how long.

    Raises:
        StoreError: it is no such URL, or the file of credentials has none.
    """
    try:
        return S3Store.from_url(
            url,
            # Options given here replace those of the environment.
            client_options=client_options(os.environ.get("AWS_ENDPOINT_URL", ""), answer_s),
            retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=retry_s)},
            config=_credentials(),
        )
    except (BaseError, ValueError) as error:
        raise StoreError(f"{url} cannot be opened: {first_line(error)}.\n  Give s3://bucket/prefix.") from error


def client_options(endpoint: str, answer_s: int) -> "ClientConfig":
    """How long requests to an endpoint may take; who names one without TLS means it."""
    return {
        "connect_timeout": timedelta(seconds=CONNECT_S),
        "timeout": timedelta(seconds=answer_s),
        "allow_http": endpoint.lower().startswith("http://"),
    }


def fetch(url: str, name: str, version: str, cache: Path) -> Path | None:
    """The folder of an artefact, from the cache or from the store; None where the store does not have it.

    Raises:
        StoreError: the store cannot be read.
        ArtefactError: what it has is not what its manifest says; nothing is kept of it.
    """
    folder = place(cache, url, name, version)
    if is_there(folder):
        return folder
    store = open_store(url)
    with reading(url):
        try:
            manifest = bytes(store.get(f"{name}/{version}/{MANIFEST}").bytes())
        except FileNotFoundError:
            return None
        except (PermissionDeniedError, PermissionError):
            # S3 refuses what is not there to who may list a part of the bucket alone, such as one model.
            if _is_empty(store, f"{name}/{version}"):
                return None
            raise
    files = listed(manifest, folder / MANIFEST)
    with whole(folder, manifest) as filled:
        for file, each in files.items():
            with reading(url):
                _download(store, f"{name}/{version}/{file}", filled / file, each)
    return folder


def versions(url: str) -> list[tuple[str, str]]:
    """Name and version of every artefact in a store.

    Raises:
        StoreError: the store cannot be read.
    """
    store = open_store(url)
    with reading(url):
        names = store.list_with_delimiter()["common_prefixes"]
        found = [folder for name in names for folder in store.list_with_delimiter(name)["common_prefixes"]]
    return sorted((folder.split("/")[-2], folder.split("/")[-1]) for folder in found)


def _is_empty(store: ObjectStore, folder: str) -> bool:
    try:
        return not store.list_with_delimiter(folder)["objects"]
    except BaseError:
        return False


def _download(store: ObjectStore, key: str, file: Path, listed: File) -> None:
    """A file, part by part: a slow network costs a part, not the whole. Its digest is checked when all are there."""
    try:
        size = store.head(key)["size"]
    except FileNotFoundError:
        raise ArtefactError(file, "a file in the store", "none") from None
    if size != listed.bytes:
        raise ArtefactError(file, f"{listed.bytes} bytes", f"{size}")
    with file.open("wb") as kept:
        for start in range(0, size, PART):
            kept.write(store.get_range(key, start=start, end=min(start + PART, size)))


def _credentials() -> "S3Config":
    file = os.environ.get("AWS_SHARED_CREDENTIALS_FILE")
    if not file:
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    if not parser.read(file) or not parser.has_section(PROFILE):
        raise StoreError(
            f"{file} has no [{PROFILE}] section.\n  AWS_SHARED_CREDENTIALS_FILE names it; write one there."
        )
    section = parser[PROFILE]
    try:
        return {
            "access_key_id": section["aws_access_key_id"],
            "secret_access_key": section["aws_secret_access_key"],
        }
    except KeyError as missing:
        raise StoreError(f"{file} has no {missing} in [{PROFILE}].\n  Write it there.") from None


@contextmanager
def reading(url: str) -> Iterator[None]:
    """Failures of a store as `StoreError`; what is not there stays a ``FileNotFoundError``."""
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
        raise StoreError(
            f"{url} refuses us: {first_line(error)}.\n"
            "  Let the role or key read and list it, s3:GetObject and s3:ListBucket; to publish also s3:PutObject."
        ) from error
    except BaseError as error:
        if METADATA in str(error):
            raise StoreError(
                f"{url}: the environment has no credentials, and this machine no role.\n"
                "  Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or take those of your profile: "
                'eval "$(aws configure export-credentials --format env)"'
            ) from error
        raise StoreError(f"{url} cannot be reached: {first_line(error)}.\n  Is AWS_ENDPOINT_URL right?") from error


def first_line(error: Exception) -> str:
    """What an error says, as a part of a sentence."""
    return (str(error) or type(error).__name__).partition("\n")[0].rstrip(".")
