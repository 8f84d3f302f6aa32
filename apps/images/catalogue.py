"""Questions and changes to the tables, each inside a transaction of the caller."""

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Row, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from apps.images.answers import FoundObject, Image, StoredImage
from apps.images.faults import Unavailable
from apps.images.schema import images, intents, objects


async def announce(connection: AsyncConnection, image_id: UUID) -> None:
    """Write down that bytes are about to be put for this image."""
    await connection.execute(insert(intents).values(image_id=image_id, remove=False, since=datetime.now(UTC)))


async def add(connection: AsyncConnection, image: StoredImage) -> None:
    """Make the rows of an announced image, and take its intent away.

    Raises:
        Unavailable: the bytes have been given up in the meantime, because the upload took far too long.
    """
    settled = await connection.execute(delete(intents).where(intents.c.image_id == image.id, ~intents.c.remove))
    if settled.rowcount != 1:
        raise Unavailable("database", "the upload took so long that it was given up")
    await connection.execute(insert(images).values(image.model_dump(exclude={"objects"})))
    if image.objects:
        await connection.execute(insert(objects), [_columns(image.id, one) for one in image.objects])


async def find(connection: AsyncConnection, image_id: UUID) -> Image | None:
    """The image with this id."""
    row = (await connection.execute(select(images).where(images.c.id == image_id))).one_or_none()
    return None if row is None else _image(row)


async def page(connection: AsyncConnection, limit: int, before: UUID | None) -> list[Image]:
    """Newest first, at most ``limit`` images, those older than ``before``: their ids sort by time."""
    newest = select(images).order_by(images.c.id.desc()).limit(limit)
    if before is not None:
        newest = newest.where(images.c.id < before)
    return [_image(row) for row in await connection.execute(newest)]


async def found_in(connection: AsyncConnection, image_id: UUID) -> list[FoundObject]:
    """The objects of an image, the surest first."""
    surest = select(objects).where(objects.c.image_id == image_id).order_by(objects.c.confidence.desc(), objects.c.id)
    return [_object(row) for row in await connection.execute(surest)]


async def withdraw(connection: AsyncConnection, image_id: UUID) -> bool:
    """Delete the rows of an image and write down that its bytes are to be removed; False where there is none."""
    gone = await connection.execute(delete(images).where(images.c.id == image_id))
    if gone.rowcount:
        await connection.execute(insert(intents).values(image_id=image_id, remove=True, since=datetime.now(UTC)))
    return bool(gone.rowcount)


async def give_up(connection: AsyncConnection, before: datetime, failed: Collection[UUID], limit: int) -> list[UUID]:
    """Images whose bytes are to be removed, at most ``limit``.

    Those are withdrawn images, uploads that ``failed``, and uploads announced ``before`` that never came to an end.
    After this ``add`` refuses the uploads.
    """
    abandoned = select(intents.c.image_id).where(
        ~intents.c.remove, or_(intents.c.since < before, intents.c.image_id.in_(failed))
    )
    await connection.execute(update(intents).where(intents.c.image_id.in_(abandoned.limit(limit))).values(remove=True))
    return list(await connection.scalars(select(intents.c.image_id).where(intents.c.remove).limit(limit)))


async def forget(connection: AsyncConnection, removed: Collection[UUID]) -> None:
    """Take away the intents of images whose bytes have been removed."""
    await connection.execute(delete(intents).where(intents.c.image_id.in_(removed), intents.c.remove))


def _columns(image_id: UUID, found: FoundObject) -> dict[str, object]:
    x, y, width, height = found.bbox
    centroid_x, centroid_y = found.centroid
    return {
        "id": found.id,
        "image_id": image_id,
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "centroid_x": centroid_x,
        "centroid_y": centroid_y,
        "radius": found.radius,
        "confidence": found.confidence,
    }


def _object(row: Row[tuple[object, ...]]) -> FoundObject:
    return FoundObject(
        id=row.id,
        bbox=(row.x, row.y, row.width, row.height),
        centroid=(row.centroid_x, row.centroid_y),
        radius=row.radius,
        confidence=row.confidence,
    )


def _image(row: Row[tuple[object, ...]]) -> Image:
    # SQLite keeps no time zone: what we store is UTC, on both.
    return Image(**{**row._mapping, "created_at": row.created_at.replace(tzinfo=UTC)})
