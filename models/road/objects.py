"""The object store of a training: where its data zip comes from and its artefacts go."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from models.publish import UPLOAD_S, publish
from models.remote import client_options, first_line, open_store, reading
from models.store import StoreError

if TYPE_CHECKING:
    from obstore import ObjectMeta

MINIO_ACCESS_KEY, MINIO_SECRET_KEY = "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"
"""Where the keys are read that no argument gives."""


@dataclass(frozen=True)
class Places:
    """Buckets of one object store.

    Attributes:
        endpoint: URL of what speaks S3; ``file:///folder`` for a folder of buckets; None for AWS, as the ``AWS_…``
            environment says.
        source_bucket, source_object: where the data zip is.
        model_bucket: where artefacts go, as a store that ``MODEL_STORES`` can name.
        access_key, secret_key: of the endpoint.
    """

    endpoint: str | None
    source_bucket: str
    source_object: str
    model_bucket: str
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)

    def fetch_data(self, file: Path) -> str:
        """The data zip as a file, which appears when it is whole; which one it is, as `data_now` would have said.

        Raises:
            StoreError: the store cannot be read, or has none.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as partial:
            try:
                with self._reading_data() as store:
                    found = store.get(self.source_object)
                    for part in found.stream():
                        partial.write(part)
                Path(partial.name).replace(file)
            finally:
                Path(partial.name).unlink(missing_ok=True)
        return self._which(found.meta)

    def data_now(self) -> str:
        """Which data zip is in the store, without fetching it: another one for another place or other content.

        Raises:
            StoreError: the store cannot be read, or has none.
        """
        with self._reading_data() as store:
            return self._which(store.head(self.source_object))

    def put_data(self, file: Path) -> str:
        """Put the data zip where `fetch_data` finds it; its URL.

        Raises:
            StoreError: the store cannot be written.
        """
        url = self._url(self.source_bucket)
        with reading(url):
            self._open(self.source_bucket).put(self.source_object, file)
        return f"{url}/{self.source_object}"

    def put_artefact(self, folder: Path) -> None:
        """Put an artefact into the bucket of models, where it is once and for all.

        Raises:
            StoreError: the store cannot be written.
            ArtefactError: the artefact is broken, or another one is there under its version.
        """
        publish(folder, self._open(self.model_bucket), self._url(self.model_bucket))

    @contextmanager
    def _reading_data(self) -> Iterator[ObjectStore]:
        url = self._url(self.source_bucket)
        store = self._open(self.source_bucket)
        try:
            with reading(url):
                yield store
        except FileNotFoundError:
            raise StoreError(
                f"{url} has no {self.source_object}.\n"
                "  Put one there: python -m models.road.data --out road.zip --source-data-bucket …"
            ) from None

    def _which(self, meta: "ObjectMeta") -> str:
        where = f"{self._url(self.source_bucket)}/{self.source_object}"
        return f"{where} {meta['e_tag']} {meta['size']} bytes {meta['last_modified'].isoformat()}"

    def _url(self, bucket: str) -> str:
        return f"{(self.endpoint or 's3:/').rstrip('/')}/{bucket}"

    def _open(self, bucket: str) -> ObjectStore:
        if self.endpoint is None:
            return open_store(f"s3://{bucket}", answer_s=UPLOAD_S)
        parts = urlsplit(self.endpoint)
        if parts.scheme == "file":
            return LocalStore(Path(unquote(parts.path)) / bucket, mkdir=True)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise StoreError(
                f"{self.endpoint} is no endpoint.\n  Give http://host:port, https://host or file:///folder."
            )
        if not (self.access_key and self.secret_key):
            raise StoreError(
                f"{self.endpoint} has no keys.\n"
                f"  Set {MINIO_ACCESS_KEY} and {MINIO_SECRET_KEY}, or give --minio-access-key and --minio-secret-key."
            )
        try:
            return S3Store(
                bucket,
                endpoint=self.endpoint,
                access_key_id=self.access_key,
                secret_access_key=self.secret_key,
                region=os.environ.get("AWS_REGION", "us-east-1"),
                client_options=client_options(self.endpoint, UPLOAD_S),
            )
        except (BaseError, ValueError) as error:
            raise StoreError(f"{self.endpoint} cannot be opened: {first_line(error)}.") from error


def add_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Let a command take where things are; ``required`` if it cannot do without."""
    arguments = parser.add_argument_group("object store")
    arguments.add_argument(
        "--minio-endpoint", help="http(s)://host:port of what speaks S3, or file:///folder of buckets; without: AWS"
    )
    arguments.add_argument(
        "--minio-access-key", help=f"better in {MINIO_ACCESS_KEY}: other users see the arguments of a process"
    )
    arguments.add_argument("--minio-secret-key", help=f"better in {MINIO_SECRET_KEY}, for the same reason")
    arguments.add_argument("--source-data-bucket", required=required, help="bucket of the data zip")
    arguments.add_argument("--source-data-object", default="road.zip", help="its name there (road.zip)")
    arguments.add_argument("--destination-model-bucket", default="models", help="bucket of the artefacts (models)")


def places(given: argparse.Namespace) -> Places:
    """What arguments and environment say."""
    return Places(
        endpoint=given.minio_endpoint or None,  # a pipeline says it with an empty one
        source_bucket=given.source_data_bucket,
        source_object=given.source_data_object,
        model_bucket=given.destination_model_bucket,
        access_key=given.minio_access_key or os.environ.get(MINIO_ACCESS_KEY),
        secret_key=given.minio_secret_key or os.environ.get(MINIO_SECRET_KEY),
    )
