"""Storing and deleting images so that rows and bytes always belong together.

An upload goes: write down the intent, put the bytes, make all rows and take the intent away in one transaction.
Whatever breaks in between leaves an intent, which names the bytes that nobody refers to. A sweep removes them, in this
process or, after a crash, in another one.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from apps.images import catalogue
from apps.images.answers import FoundObject, Mode, StoredImage
from apps.images.contents import Contents
from apps.images.database import Database
from apps.images.detection import Detector
from apps.images.faults import Full, Unavailable
from apps.images.identifiers import uuid7
from apps.images.measures import Measures
from apps.images.picture import Picture
from apps.runtime import logs

log = logs.logger(__name__)

ABANDONED_AFTER = timedelta(hours=1)
"""No upload takes this long, so its process has died. Giving up a living one would fail it, but do no harm."""

SWEEP_EVERY_S = 15
SWEEP_AT_MOST = 100
"""Bytes of so many images are removed in one sweep; more wait for the next."""

CHECK_TIMEOUT_S = 2
CHECK_KEPT_S = 1
"""Whoever asks for readiness more often gets the same answer."""


class Library:
    """The images: their rows, their bytes, and what keeps the two together."""

    def __init__(self, database: Database, contents: Contents, detector: Detector, mode: Mode) -> None:
        self.database = database
        self.contents = contents
        self.measures = Measures()
        self._detector = detector
        self._mode: Mode = mode
        self._failed: set[UUID] = set()
        self._sweep_soon = asyncio.Event()
        self._checked_at = float("-inf")
        self._not_ready: str | None = None

    async def store(self, content: bytes, picture: Picture) -> StoredImage:
        """Find the objects in a verified picture, then keep both.

        Raises:
            Problem: the detector refuses the picture, or a part does not work; nothing is stored then. The one
                exception: where the database is lost during its commit, the image may have been stored as a whole.
        """
        with self.measures.detection.time():
            seen = await self._detector.detect(content, picture)
        found = sorted(seen.objects, key=lambda one: -one.confidence)
        image = StoredImage(
            id=uuid7(),
            created_at=datetime.now(UTC),
            mode=self._mode,
            content_type=picture.content_type,
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            width=seen.width,
            height=seen.height,
            objects=[FoundObject(id=uuid7(), **one.model_dump()) for one in found],
        )
        try:
            async with self.database.transaction() as connection:
                await catalogue.announce(connection, image.id)
            await self.contents.put(image.id, content)
            async with self.database.transaction() as connection:
                await catalogue.add(connection, image)
        except Exception:
            # Only now, when nothing is being written any more. A cancelled put may still be: its intent grows old.
            self._failed.add(image.id)
            self._sweep_soon.set()
            raise
        self.measures.stored.labels(self._mode).inc()
        self.measures.found.labels(self._mode).inc(len(found))
        log.info("image stored", image_id=str(image.id), objects=len(found), bytes=image.bytes)
        return image

    async def delete(self, image_id: UUID) -> bool:
        """Delete an image and all that was found in it; False where there is none.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self.database.transaction() as connection:
            withdrawn = await catalogue.withdraw(connection, image_id)
        if withdrawn:
            try:
                await self._remove([image_id])
            except (Unavailable, Full):
                self._sweep_soon.set()
        return withdrawn

    async def sweep(self) -> int:
        """Remove the bytes of deleted images, failed uploads and abandoned ones; how many there were.

        Raises:
            Unavailable: a part does not answer; the next sweep goes on from there.
        """
        failed = frozenset(self._failed)
        async with self.database.transaction() as connection:
            removable = await catalogue.give_up(connection, datetime.now(UTC) - ABANDONED_AFTER, failed, SWEEP_AT_MOST)
        if removable:
            await self._remove(removable)
            log.info("left-over bytes removed", images=len(removable))
        self._failed -= failed
        self.measures.swept.inc(len(removable))
        return len(removable)

    async def _remove(self, image_ids: Sequence[UUID]) -> None:
        """Remove the bytes of images that have no rows, and the intents to do so."""
        for image_id in image_ids:
            await self.contents.remove(image_id)
        async with self.database.transaction() as connection:
            await catalogue.forget(connection, image_ids)

    async def keep_swept(self) -> None:
        """Sweep now, every now and then, and after each failure; until cancelled."""
        while True:
            self._sweep_soon.clear()
            try:
                await self.sweep()
            except (Unavailable, Full):
                pass  # logged where it was found; it is tried again
            except Exception:
                log.exception("sweep failed")
            with suppress(TimeoutError):
                # Not wait_for, which before Python 3.12 loses a cancellation that comes together with the event.
                async with asyncio.timeout(SWEEP_EVERY_S):
                    await self._sweep_soon.wait()

    async def not_ready(self) -> str | None:
        """Why nothing can be stored or told at the moment, if so: the database or the object store does not work.

        The detector is not asked: what has been stored can be read without it.
        """
        if time.monotonic() - self._checked_at > CHECK_KEPT_S:
            try:
                async with asyncio.timeout(CHECK_TIMEOUT_S):
                    await asyncio.gather(self.database.check(), self.contents.check())
                self._not_ready = None
            except (Unavailable, Full) as problem:
                self._not_ready = problem.detail
            except TimeoutError:
                self._not_ready = f"Database and object store have not answered within {CHECK_TIMEOUT_S} s."
            self._checked_at = time.monotonic()
        return self._not_ready

    async def close(self) -> None:
        """Give all connections back."""
        await self._detector.close()
        await self.database.close()
