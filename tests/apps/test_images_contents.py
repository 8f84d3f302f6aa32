"""The bytes of images, in a directory and in S3."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from apps.images.contents import Contents
from apps.images.faults import Unavailable
from apps.images.identifiers import uuid7
from tests.apps.images_stage import served

pytestmark = pytest.mark.anyio


class Bucket:
    """As much of S3 as putting and getting objects takes, and deleting a list of them."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        if request.method == "PUT":
            self.objects[path] = await request.body()
            return Response(headers={"etag": '"1"'})
        if request.method == "POST":
            keys = re.findall("<Key>(.*?)</Key>", (await request.body()).decode())
            for key in keys:
                self.objects.pop(f"{path}/{key}", None)
            deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            return Response(f"<DeleteResult>{deleted}</DeleteResult>")
        if path not in self.objects:
            return Response(status_code=404)
        headers = {"etag": '"1"', "last-modified": "Sat, 21 Nov 2026 06:25:08 GMT"}
        return Response(self.objects[path], headers=headers)


@pytest.fixture(params=["file", "s3"])
async def contents(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Contents]:
    if request.param == "file":
        yield Contents(tmp_path.as_uri())
        return
    methods = ["GET", "HEAD", "PUT", "POST"]
    async with served([Route("/{path:path}", Bucket().answer, methods=methods)]) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield Contents("s3://bucket/prefix")


async def test_what_was_put_comes_back(contents: Contents) -> None:
    image_id = uuid7()
    await contents.put(image_id, b"picture")
    assert await contents.get(image_id) == b"picture"


async def test_what_was_removed_is_gone_and_may_be_removed_again(contents: Contents) -> None:
    image_id = uuid7()
    await contents.put(image_id, b"picture")
    await contents.remove(image_id)
    await contents.remove(image_id)
    assert await contents.get(image_id) is None


async def test_a_store_that_answers_is_in_order_now_and_later(contents: Contents) -> None:
    await contents.check()
    await contents.check()


async def test_an_s3_that_cannot_be_reached_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        await Contents("s3://bucket").check()
