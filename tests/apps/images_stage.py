"""The images app on a stage: a detector that does what a test says, pictures, and a look behind the scenes."""

import asyncio
import io
import json
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from PIL import Image
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.server import ServerState

from apps.images.app import Settings, create
from apps.images.database import Database
from apps.images.schema import images, intents, objects
from tests.apps.conftest import serving
from tests.until import until_asked

CIRCLES = [
    {"bbox": [10, 10, 20, 20], "centroid": [20, 20], "radius": 10, "confidence": 0.5},
    {"bbox": [40, 20, 8, 8], "centroid": [44, 24], "radius": 4, "confidence": 0.9},
]


def picture(kind: str = "JPEG", **options: Any) -> bytes:
    """An encoded picture of one colour, 64 × 48 pixels."""
    encoded = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(encoded, kind, **options)
    return encoded.getvalue()


def claiming(width: int, height: int) -> bytes:
    """A small PNG whose header claims a size."""
    head = b"IHDR" + struct.pack(">II", width, height) + picture("PNG")[24:29]
    return picture("PNG")[:12] + head + struct.pack(">I", zlib.crc32(head)) + picture("PNG")[33:]


@dataclass
class Detector:
    """A detector over HTTP that answers what it is told to.

    Attributes:
        requests: headers of each request, oldest first.
        uploads: the bytes of each picture it got.
        hold: while it is not set, requests wait for it.
        asked: set once a request is there.
    """

    url: str = ""
    status: int = 200
    body: Any = field(default_factory=lambda: {"objects": CIRCLES, "width": 64, "height": 48})
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[httpx.Headers] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def predict(self, request: Request) -> Response:
        self.requests.append(httpx.Headers(request.headers.raw))
        async with request.form() as form:
            upload = form["file"]
            assert not isinstance(upload, str)
            self.uploads.append(await upload.read())
        self.asked.set()
        await self.hold.wait()
        return JSONResponse(self.body, self.status, self.headers)


@asynccontextmanager
async def served(routes: list[Route]) -> AsyncIterator[str]:
    """Routes on a port of their own, over real HTTP; the base URL."""
    config = uvicorn.Config(Starlette(routes=routes), log_config=None, access_log=False)
    config.load()
    state = ServerState()
    # The protocol without uvicorn.Server, whose loop takes 0.2 s to notice that a test is over.
    server = await asyncio.get_running_loop().create_server(
        lambda: config.http_protocol_class(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for connection in tuple(state.connections):
        connection.shutdown()


@asynccontextmanager
async def detector() -> AsyncIterator[Detector]:
    """A detector that answers at once unless its ``hold`` is cleared."""
    playing = Detector()
    playing.hold.set()
    async with served([Route("/predict", playing.predict, methods=["POST"])]) as playing.url:
        yield playing
        playing.hold.set()


@dataclass
class Stage:
    """The app with all that it depends on.

    Attributes:
        client: of the app.
        folder: where the object store keeps its objects.
    """

    client: httpx.AsyncClient
    detector: Detector
    database_url: str
    folder: Path

    async def upload(self, content: bytes | None = None, name: str = "file") -> httpx.Response:
        """POST a picture."""
        return await self.client.post("/images/", files={name: ("a.jpg", picture() if content is None else content)})

    async def kept(self) -> "Kept":
        """What there is, read past the app."""
        return await kept(self.database_url, self.folder)


@dataclass(frozen=True)
class Kept:
    """What is in the database and in the object store: ids.

    Attributes:
        rows: of images.
        parents: images that objects belong to.
        intents: images with something under way.
        files: names in the object store.
    """

    rows: set[str]
    parents: set[str]
    intents: set[str]
    files: set[str]

    @property
    def whole(self) -> bool:
        """Every row has its bytes, all bytes have their row, and nothing is under way."""
        return self.rows == self.files and self.parents <= self.rows and not self.intents


async def kept(database_url: str, folder: Path) -> Kept:
    """What is kept in a database and in a folder."""
    database = Database(database_url)
    try:
        async with database.transaction() as connection:
            columns = (images.c.id, objects.c.image_id, intents.c.image_id)
            rows, parents, pending = [
                {str(one) for one in await connection.scalars(select(column))} for column in columns
            ]
    finally:
        await database.close()
    files = {path.name for path in (folder / "images").glob("*") if path.name != ".ready"}
    return Kept(rows, parents, pending, files)


@asynccontextmanager
async def stage(database_url: str, folder: Path, **settings: Any) -> AsyncIterator[Stage]:
    """The app in this process, in front of a detector of the test's own."""
    async with detector() as playing:
        chosen = Settings(
            **{"detector_url": playing.url, "database_url": database_url, "object_store_url": folder.as_uri()}
            | settings
        )
        async with serving("images", create(chosen), chosen) as client:
            yield Stage(client, playing, database_url, folder)


async def until(app: Stage, reached: Callable[[Kept], bool]) -> Kept:
    """Wait until what is kept is as a test wants it, as when a sweep has gone over it; what is kept."""
    return await until_asked(app.kept, reached, "what is kept is as it should be", 10)


async def until_whole(app: Stage) -> Kept:
    """Wait until every image has its rows and bytes, and nothing is under way."""
    return await until(app, lambda left: left.whole)


def problem(response: httpx.Response) -> str:
    """What kind of problem an answer is; fails when it is none."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body = json.loads(response.content)
    assert body["status"] == response.status_code
    return body["type"].removeprefix("urn:modelserve:problem:")
