"""``/images/``: pictures in, pictures and the objects found in them out."""

import asyncio
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, File, Query, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from apps.images import catalogue
from apps.images.answers import FoundObject, Image, Objects, Page, StoredImage
from apps.images.library import Library
from apps.images.picture import verify
from apps.runtime import pictures
from apps.runtime.problems import Problem
from models.pictures import PictureError

MODE_HEADER = "X-Detection-Mode"

T = TypeVar("T")
Upload = Annotated[UploadFile | None, File(description="the picture; give one of `file` and `image`")]


class Paging(BaseModel):
    """Which images are listed. Others are refused: a misspelt cursor would get the first page for ever."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1, le=100)
    cursor: UUID | None = Field(default=None, description="`next_cursor` of the page before")


def routes(library: Library) -> APIRouter:
    """The routes over a library."""
    router = APIRouter(prefix="/images", tags=["images"])

    @router.post("/", status_code=201)
    async def upload(response: Response, file: Upload = None, image: Upload = None) -> StoredImage:
        """Store a picture and the circular objects found in it."""
        given = [one for one in (file, image) if one is not None]
        if len(given) != 1:
            raise Problem(
                422, "invalid-request", f"The form has {len(given)} pictures; give one, as `file` or `image`."
            )
        content = await given[0].read()
        try:
            picture = await asyncio.to_thread(verify, content)
        except PictureError as error:
            raise pictures.problem(error) from error
        stored = await library.store(content, picture)
        response.headers["Location"] = f"/images/{stored.id}"
        response.headers[MODE_HEADER] = stored.mode
        return stored

    @router.get("/")
    async def page(asked: Annotated[Paging, Query()]) -> Page:
        """Images, newest first. Pages do not shift when images come or go in the meantime."""
        limit = asked.limit
        async with library.database.transaction() as connection:
            images = await catalogue.page(connection, limit + 1, asked.cursor)
        return Page(images=images[:limit], next_cursor=images[limit - 1].id if len(images) > limit else None)

    @router.get("/{image_id}")
    async def metadata(image_id: UUID, response: Response) -> Image:
        """What is known of an image."""
        async with library.database.transaction() as connection:
            image = _there(await catalogue.find(connection, image_id), image_id)
        response.headers[MODE_HEADER] = image.mode
        return image

    @router.get("/{image_id}/content", response_class=Response)
    async def content(image_id: UUID) -> Response:
        """The picture as it was uploaded."""
        async with library.database.transaction() as connection:
            image = _there(await catalogue.find(connection, image_id), image_id)
        kept = _there(await library.contents.get(image_id), image_id)
        extension = image.content_type.removeprefix("image/")
        # A picture from anybody: no browser may take it for anything else, or run what it may contain.
        return Response(
            kept,
            media_type=image.content_type,
            headers={
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "Content-Disposition": f'inline; filename="{image_id}.{extension}"',
                "ETag": f'"{image.sha256}"',
            },
        )

    @router.get("/{image_id}/objects")
    async def objects(image_id: UUID, response: Response) -> Objects:
        """The objects found in an image, the surest first."""
        async with library.database.transaction() as connection:
            image = _there(await catalogue.find(connection, image_id), image_id)
            found = await catalogue.found_in(connection, image_id)
        response.headers[MODE_HEADER] = image.mode
        return Objects(id=image_id, mode=image.mode, objects=found)

    @router.get("/{image_id}/objects/{object_id}")
    async def one_object(image_id: UUID, object_id: UUID, response: Response) -> FoundObject:
        """One object found in an image."""
        async with library.database.transaction() as connection:
            image = _there(await catalogue.find(connection, image_id), image_id)
            found = await catalogue.found_in(connection, image_id)
        response.headers[MODE_HEADER] = image.mode
        for one in found:
            if one.id == object_id:
                return one
        raise Problem(404, "object-not-found", f"Image {image_id} has no object {object_id}.")

    @router.delete("/{image_id}", status_code=204)
    async def delete(image_id: UUID) -> None:
        """Delete an image, its bytes and its objects."""
        if not await library.delete(image_id):
            raise _not_found(image_id)

    return router


def _there(thing: T | None, image_id: UUID) -> T:
    if thing is None:
        raise _not_found(image_id)
    return thing


def _not_found(image_id: UUID) -> Problem:
    return Problem(404, "image-not-found", f"No image has the id {image_id}.")
