"""The data zip: the same pictures make the same bytes, and what is no data is not unpacked."""

import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.road import data, steps
from models.road.data import DataError
from models.road.objects import Places
from models.store import StoreError
from tests.unit.bucket import Bucket

JPEG = b"\xff\xd8 a picture"


@pytest.fixture
def zipped(tmp_path: Path) -> Callable[..., Path]:
    """Makes a zip of names, or members, all with the same content."""

    def make(*members: str | zipfile.ZipInfo, content: bytes = JPEG) -> Path:
        file = tmp_path / "given.zip"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                archive.writestr(member, content)
        return file

    return make


def test_the_same_seed_makes_the_same_zip(tmp_path: Path) -> None:
    for name in ("one.zip", "other.zip"):
        list(data.make(tmp_path / name, count=2, seed=3))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()


def test_what_was_made_is_unpacked_with_its_labels(tmp_path: Path) -> None:
    list(data.make(tmp_path / "road.zip", count=2, seed=3))
    files = data.pictures(data.unpack(tmp_path / "road.zip", tmp_path / "pictures"))
    assert [(file.parent.name, file.name, label) for file, label in files] == [
        ("dry", "000000.jpg", 0),
        ("wet", "000001.jpg", 1),
    ]
    assert data.pixels(files[0][0]).shape == (144, 192, 3)


@pytest.mark.parametrize(
    "name",
    ["../escape.jpg", "dry/../../escape.jpg", "/dry/a.jpg", "dry\\..\\a.jpg", "damp/a.jpg", "dry/a.sh", "dry/b/a.jpg"],
)
def test_what_is_no_picture_of_a_label_is_refused(name: str, zipped: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"which is not taken.\n  It may have dry/NAME.jpg and wet/NAME.jpg"):
        data.unpack(zipped("dry/a.jpg", name), tmp_path / "in" / "pictures")


def test_nothing_is_left_of_what_was_refused(zipped: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError):
        data.unpack(zipped("dry/a.jpg", "../escape.jpg"), tmp_path / "in" / "pictures")
    assert list((tmp_path / "in").iterdir()) == []
    assert not (tmp_path / "escape.jpg").exists()


def test_a_link_is_refused(zipped: Callable[..., Path], tmp_path: Path) -> None:
    link = zipfile.ZipInfo("dry/a.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(DataError, match="no links"):
        data.unpack(zipped(link, content=b"/etc/passwd"), tmp_path / "pictures")


def test_a_name_twice_is_refused(zipped: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        file = zipped("dry/a.jpg", "dry/a.jpg")
    with pytest.raises(DataError, match=r"dry/a\.jpg twice"):
        data.unpack(file, tmp_path / "pictures")


def test_a_bomb_is_stopped_at_the_size_of_a_picture(zipped: Callable[..., Path], tmp_path: Path) -> None:
    file = zipped("dry/a.jpg", content=bytes(data.FILE_BYTES + 1))
    assert file.stat().st_size < 10_000
    with pytest.raises(DataError, match="a picture may have 4 MiB"):
        data.unpack(file, tmp_path / "pictures")


def test_so_are_many_small_ones_together(
    zipped: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "TOTAL_BYTES", 3 * len(JPEG))
    with pytest.raises(DataError, match=r"at dry/3\.jpg"):
        data.unpack(zipped(*(f"dry/{number}.jpg" for number in range(9))), tmp_path / "pictures")


def test_too_many_files_are_refused_before_one_is_written(
    zipped: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "FILES", 2)
    with pytest.raises(DataError, match="has 3 files; at most 2"):
        data.unpack(zipped("dry/a.jpg", "dry/b.jpg", "wet/c.jpg"), tmp_path / "pictures")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut short"])
def test_what_is_no_zip_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "given.zip").write_bytes(content)
    with pytest.raises(DataError, match="cannot be unpacked"):
        data.unpack(tmp_path / "given.zip", tmp_path / "pictures")


def test_pictures_of_one_label_alone_are_refused(zipped: Callable[..., Path], tmp_path: Path) -> None:
    folder = data.unpack(zipped("dry/a.jpg"), tmp_path / "pictures")
    with pytest.raises(DataError, match="no pictures of wet"):
        data.pictures(folder)


@pytest.fixture(params=["folder", "bucket"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Places]:
    """A folder of buckets, or what speaks S3."""
    if request.param == "folder":
        yield Places((tmp_path / "store").as_uri(), "models", "road.zip", "models")
        return
    bucket = Bucket()
    bucket.readers = {"reader"}
    yield Places(bucket.endpoint, "models", "road.zip", "models", "reader", "word")
    bucket.end()


def test_what_was_put_into_the_store_is_fetched(places: Places, tmp_path: Path) -> None:
    (tmp_path / "road.zip").write_bytes(b"pictures")
    assert places.put_data(tmp_path / "road.zip").endswith("/models/road.zip")
    fetched = places.fetch_data(tmp_path / "fetched" / "road.zip")
    assert fetched == places.data_now()
    assert (tmp_path / "fetched" / "road.zip").read_bytes() == b"pictures"


def test_what_is_not_in_the_store_is_named(places: Places, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"/models has no road\.zip\.\n  Put one there"):
        places.fetch_data(tmp_path / "fetched" / "road.zip")
    assert list((tmp_path / "fetched").iterdir()) == []


def test_other_data_of_the_same_size_are_fetched_and_unpacked_anew(places: Places, tmp_path: Path) -> None:
    zip_file, work = tmp_path / "road.zip", tmp_path / "work" / "data.zip"
    for content in (b"pictures", b"Pictures"):
        zip_file.write_bytes(content)
        places.put_data(zip_file)
        assert steps.fetch(places, work).read_bytes() == content
        assert not list(work.parent.glob("*.pictures"))
        (work.parent / "data.zip.pictures").mkdir()


def test_data_that_are_still_the_same_are_not_fetched_again(places: Places, tmp_path: Path) -> None:
    (tmp_path / "road.zip").write_bytes(b"pictures")
    places.put_data(tmp_path / "road.zip")
    work = steps.fetch(places, tmp_path / "work" / "data.zip")
    before = work.stat().st_ino
    (work.parent / "data.zip.pictures").mkdir()
    assert steps.fetch(places, work).stat().st_ino == before
    assert (work.parent / "data.zip.pictures").exists()


def test_data_of_which_nobody_knows_whence_they_are_are_fetched(places: Places, tmp_path: Path) -> None:
    (tmp_path / "road.zip").write_bytes(b"pictures")
    places.put_data(tmp_path / "road.zip")
    (tmp_path / "data.zip").write_bytes(b"left by a fetch that was killed")
    assert steps.fetch(places, tmp_path / "data.zip").read_bytes() == b"pictures"


def test_an_endpoint_without_keys_says_where_they_are_read() -> None:
    with pytest.raises(StoreError, match="Set MINIO_ACCESS_KEY and MINIO_SECRET_KEY"):
        Places("http://127.0.0.1:1", "models", "road.zip", "models").put_data(Path())


def test_keys_are_not_shown() -> None:
    assert "word" not in repr(Places("http://127.0.0.1:1", "data", "road.zip", "models", "reader", "word"))
