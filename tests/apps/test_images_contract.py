"""The contract of the images app: what each route answers, on either database."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.apps.images_postgres import Postgres
from tests.apps.images_stage import Stage, picture, problem, stage

pytestmark = pytest.mark.anyio

UNKNOWN = str(uuid.UUID(int=7))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.local)])
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    on_postgres = request.param == "postgresql"
    url = request.getfixturevalue("postgres").database() if on_postgres else f"sqlite:///{tmp_path}/images.db"
    async with stage(url, tmp_path / "objects") as staged:
        yield staged


async def test_an_upload_answers_with_what_was_found_the_surest_first(app: Stage) -> None:
    response = await app.upload()
    body = response.json()
    assert response.status_code == 201
    assert [one["confidence"] for one in body["objects"]] == [0.9, 0.5]
    expected = {"bbox": [40, 20, 8, 8], "centroid": [44, 24], "radius": 4, "confidence": 0.9}
    assert body["objects"][0] == expected | {"id": body["objects"][0]["id"]}
    assert (body["width"], body["height"], body["mode"]) == (64, 48, "real")
    assert body["created_at"].endswith("Z")


async def test_an_upload_says_where_the_image_is(app: Stage) -> None:
    uploaded = await app.upload()
    there = await app.client.get(uploaded.headers["location"])
    expected = uploaded.json()
    del expected["objects"]
    assert there.json() == expected


async def test_the_form_field_may_also_be_called_image(app: Stage) -> None:
    assert (await app.upload(name="image")).status_code == 201


async def test_a_form_without_a_picture_is_refused(app: Stage) -> None:
    response = await app.client.post("/images/", data={"file": "no file"})
    assert (response.status_code, problem(response)) == (422, "invalid-request")


async def test_a_form_with_two_pictures_is_refused(app: Stage) -> None:
    response = await app.client.post("/images/", files={"file": picture(), "image": picture()})
    assert (response.status_code, problem(response)) == (422, "invalid-request")


async def test_the_detector_gets_the_bytes_as_they_came(app: Stage) -> None:
    await app.upload(picture("PNG"))
    assert app.detector.uploads == [picture("PNG")]


async def test_the_detector_is_told_the_callers_trace(app: Stage) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    await app.client.post(
        "/images/", files={"file": picture()}, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    )
    assert app.detector.requests[0]["traceparent"].split("-")[1] == trace


async def test_the_content_comes_back_as_it_was(app: Stage) -> None:
    uploaded = (await app.upload(picture("PNG"))).json()
    content = await app.client.get(f"/images/{uploaded['id']}/content")
    assert content.content == picture("PNG")
    assert uploaded["sha256"] == hashlib.sha256(picture("PNG")).hexdigest()


async def test_the_content_has_the_type_it_really_has_and_browsers_may_not_guess_another(app: Stage) -> None:
    uploaded = await app.client.post("/images/", files={"file": ("a.html", picture("PNG"), "text/html")})
    content = await app.client.get(f"{uploaded.headers['location']}/content")
    assert content.headers["content-type"] == "image/png"
    assert content.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in content.headers["content-security-policy"]


async def test_the_objects_of_an_image_are_those_of_its_upload(app: Stage) -> None:
    uploaded = (await app.upload()).json()
    response = await app.client.get(f"/images/{uploaded['id']}/objects")
    assert response.json() == {"id": uploaded["id"], "mode": "real", "objects": uploaded["objects"]}


async def test_an_image_without_circles_has_no_objects(app: Stage) -> None:
    app.detector.body["objects"] = []
    uploaded = (await app.upload()).json()
    response = await app.client.get(f"/images/{uploaded['id']}/objects")
    assert response.json()["objects"] == []


async def test_one_object_can_be_asked_for(app: Stage) -> None:
    uploaded = (await app.upload()).json()
    wanted = uploaded["objects"][1]
    response = await app.client.get(f"/images/{uploaded['id']}/objects/{wanted['id']}")
    assert response.json() == wanted


async def test_an_object_belongs_to_its_own_image_only(app: Stage) -> None:
    one, other = (await app.upload()).json(), (await app.upload()).json()
    response = await app.client.get(f"/images/{one['id']}/objects/{other['objects'][0]['id']}")
    assert (response.status_code, problem(response)) == (404, "object-not-found")


@pytest.mark.parametrize("path", ["", "/content", "/objects", f"/objects/{UNKNOWN}"])
async def test_an_unknown_image_is_not_found(app: Stage, path: str) -> None:
    response = await app.client.get(f"/images/{UNKNOWN}{path}")
    assert (response.status_code, problem(response)) == (404, "image-not-found")


@pytest.mark.parametrize("path", ["7", "7/content", "7/objects", f"{UNKNOWN}/objects/7", "?cursor=7", "?limit=0"])
async def test_a_malformed_id_cursor_or_limit_is_refused(app: Stage, path: str) -> None:
    response = await app.client.get(f"/images/{path}")
    assert (response.status_code, problem(response)) == (422, "invalid-request")


async def test_the_same_picture_twice_is_two_images(app: Stage) -> None:
    one, other = (await app.upload()).json(), (await app.upload()).json()
    assert one["id"] != other["id"]
    assert not {found["id"] for found in one["objects"]} & {found["id"] for found in other["objects"]}


async def test_a_deleted_image_is_gone_with_its_bytes_and_objects(app: Stage) -> None:
    uploaded, stays = (await app.upload()).json(), (await app.upload()).json()
    response = await app.client.delete(f"/images/{uploaded['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert (await app.client.get(f"/images/{uploaded['id']}")).status_code == 404
    left = await app.kept()
    assert left.whole
    assert left.rows == left.parents == {stays["id"]}


async def test_deleting_twice_finds_nothing_the_second_time(app: Stage) -> None:
    uploaded = (await app.upload()).json()
    await app.client.delete(f"/images/{uploaded['id']}")
    response = await app.client.delete(f"/images/{uploaded['id']}")
    assert (response.status_code, problem(response)) == (404, "image-not-found")


async def test_pages_show_every_image_once_newest_first(app: Stage) -> None:
    ids = [(await app.upload()).json()["id"] for _ in range(5)]
    seen, cursor = [], {}
    while cursor is not None:
        page = (await app.client.get("/images/", params={"limit": 2} | cursor)).json()
        seen += [image["id"] for image in page["images"]]
        cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}
    assert seen == sorted(ids, reverse=True)


async def test_pages_do_not_shift_when_images_come_and_go(app: Stage) -> None:
    ids = sorted([(await app.upload()).json()["id"] for _ in range(4)], reverse=True)
    first = (await app.client.get("/images/?limit=2")).json()
    await app.upload()
    await app.client.delete(f"/images/{first['next_cursor']}")
    second = (await app.client.get(f"/images/?limit=2&cursor={first['next_cursor']}")).json()
    assert [image["id"] for image in second["images"]] == ids[2:]
    assert second["next_cursor"] is None


async def test_there_is_no_page_after_an_exactly_full_one(app: Stage) -> None:
    await app.upload()
    assert (await app.client.get("/images/?limit=1")).json()["next_cursor"] is None


async def test_many_uploads_at_once_are_all_kept_whole(app: Stage) -> None:
    responses = await asyncio.gather(*(app.upload() for _ in range(25)))
    assert [response.status_code for response in responses] == [201] * 25
    left = await app.kept()
    assert left.whole
    assert left.rows == {response.json()["id"] for response in responses}


async def test_the_app_is_ready_with_its_database_and_object_store(app: Stage) -> None:
    assert (await app.client.get("/ready")).status_code == 200


async def test_what_is_stored_and_found_is_counted(app: Stage) -> None:
    await app.upload()
    told = (await app.client.get("/metrics")).text
    assert 'images_stored_total{mode="real"} 1.0' in told
    assert 'images_objects_found_total{mode="real"} 2.0' in told
