"""The bytes of images in an object store: a directory, S3, or what else has a URL."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from apps.images.faults import Full, Unavailable
from models.remote import open_store
from models.store import StoreError

CHECK_TIMEOUT_S = 2
MARKER = "images/.ready"
"""An empty object that the first check puts: as long as it can be read, the store and the way to it are in order."""


class Contents:
    """Bytes by image id. A put happens as a whole or not at all."""

    def __init__(self, url: str) -> None:
        """Open the store behind ``file:///folder`` (made where missing) or ``s3://bucket/prefix``

        Credentials, region and endpoint of S3 come from the usual ``AWS_…`` environment, or the file it names.

        Raises:
            ValueError: the URL is none of a store, or its folder cannot be made.
        """
        try:
            self._store = from_url(url, mkdir=True) if url.startswith("file:") else _remote(url)
        except (BaseError, StoreError) as error:
            raise ValueError(f"OBJECT_STORE_URL cannot be opened: {_first_line(error)}") from error
        self._folder = self._store.prefix if isinstance(self._store, LocalStore) else None
        self._checked = False

    async def put(self, image_id: UUID, content: bytes) -> None:
        """Keep the bytes of a new image; they survive a power cut once this returns.

        Raises:
            Unavailable: the store does not answer.
            Full: it has no room.
        """
        with _faults():
            await self._store.put_async(_key(image_id), content)
            if self._folder:
                # A directory store renames without flushing: after a power cut the row would be there, the bytes not.
                await asyncio.to_thread(_flush, self._folder / _key(image_id))

    async def get(self, image_id: UUID) -> bytes | None:
        """The bytes of an image, None where there are none.

        Raises:
            Unavailable: the store does not answer.
        """
        with _faults():
            try:
                answer = await self._store.get_async(_key(image_id))
                return bytes(await answer.bytes_async())
            except FileNotFoundError:
                return None

    async def remove(self, image_id: UUID) -> None:
        """Remove what there is of an image, also what a crash left of putting it; nothing is fine.

        Raises:
            Unavailable: the store does not answer.
        """
        with _faults():
            with suppress(FileNotFoundError):
                await self._store.delete_async(_key(image_id))
            if self._folder:
                # The directory store writes to <name>#<number> before it renames.
                for part in (self._folder / _key(image_id)).parent.glob(f"{image_id}#*"):
                    part.unlink(missing_ok=True)

    async def check(self) -> None:
        """Read from the store.

        Raises:
            Unavailable: that fails.
            Full: it has no room for the marker that the first check puts.
        """
        with _faults():
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                try:
                    await self._store.head_async(MARKER)
                except FileNotFoundError:
                    if self._checked:
                        raise
                    await self._store.put_async(MARKER, b"")
                self._checked = True


def _remote(url: str) -> ObjectStore:
    # A request waits for the answer.
    return open_store(url, answer_s=10, retries=2, retry_s=10)


def _key(image_id: UUID) -> str:
    return f"images/{image_id}"


def _flush(file: Path) -> None:
    """Wait until a new file and its name are on the disk."""
    for path in (file, file.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _faults() -> Iterator[None]:
    """Failures of the store as those that a caller can act on."""
    try:
        yield
    except (BaseError, OSError) as error:
        # obstore has no class of its own for a full disk; its message carries the kind of the operating system's error.
        if any(kind in str(error) for kind in ("StorageFull", "QuotaExceeded")):
            raise Full("object store") from error
        raise Unavailable("object store", _first_line(error)) from error


def _first_line(error: Exception) -> str:
    return (str(error) or "time-out").partition("\n")[0]
