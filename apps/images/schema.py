"""The tables: images, the objects found in them, and what is under way in the object store."""

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex, CreateTable

metadata = MetaData()

images = Table(
    "images",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("mode", String(8), nullable=False),
    Column("content_type", String(32), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
)
"""Stored images. A row is there if and only if its bytes are in the object store; sizes are in pixels."""

objects = Table(
    "objects",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("image_id", Uuid, ForeignKey("images.id", ondelete="CASCADE"), nullable=False),
    Column("x", Float, nullable=False),
    Column("y", Float, nullable=False),
    Column("width", Float, nullable=False),
    Column("height", Float, nullable=False),
    Column("centroid_x", Float, nullable=False),
    Column("centroid_y", Float, nullable=False),
    Column("radius", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    Index("objects_by_image", "image_id", "confidence"),
)
"""Objects found, in pixels of their image; ``x`` and ``y`` are the upper left corner of the bounding box."""

intents = Table(
    "intents",
    metadata,
    Column("image_id", Uuid, primary_key=True),
    Column("remove", Boolean, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
)
"""What is about to happen in the object store, written down before it does: bytes to be put, or to be removed.

The transaction that makes an image's row takes its intent away, so that an intent left behind by a crash names exactly
the bytes that nobody refers to; no listing of the store is needed to find them, and nothing else is ever removed.
"""

SCHEMA_LOCK = 0x696D61676573
"""Key of the advisory lock under which PostgreSQL makes the schema: ``images`` in ASCII."""


async def create(connection: AsyncConnection) -> None:
    """Make what is missing; safe while other workers do the same.

    There is one version of the schema so far, and ``IF NOT EXISTS`` is all it takes. The first change to a table that
    holds rows is the time for a migration tool (Alembic, with these tables as its base line), not before.
    """
    if connection.dialect.name == "postgresql":
        # Two CREATE TABLE IF NOT EXISTS at once can still collide, in pg_type: the lock lasts until the commit.
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
    for table in metadata.sorted_tables:
        await connection.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            await connection.execute(CreateIndex(index, if_not_exists=True))
