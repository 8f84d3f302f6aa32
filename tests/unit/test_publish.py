"""What is published is found whole or not at all, and never changes."""

import json
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from typer.testing import CliRunner, Result

from models.artefact import ArtefactError
from models.publish import digests, publish
from models.remote import fetch, open_store
from models.store import StoreError
from ops.cli import command_line
from tests.unit.bucket import URL, Bucket, written

FILES = ["labels.txt", "model.onnx", "artefact.json"]


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return written(tmp_path / "new" / "toy" / "2.0.0")


def keys(store: MemoryStore) -> set[str]:
    return {one["path"] for batch in store.list() for one in batch}


def test_files_lie_under_model_and_version(toy: Path) -> None:
    store = MemoryStore()
    assert publish(toy, store, "memory")
    assert keys(store) == {f"toy/2.0.0/{name}" for name in FILES}


def test_what_is_published_is_found(bucket: Bucket, toy: Path, tmp_path: Path) -> None:
    publish(toy, open_store(URL), URL)
    assert fetch(URL, "toy", "2.0.0", tmp_path / "kept")


def test_the_manifest_comes_last(bucket: Bucket, toy: Path) -> None:
    publish(toy, open_store(URL), URL)
    assert [key.rpartition("/")[2] for key in bucket.put] == FILES


def test_each_file_is_told_when_it_has_arrived(toy: Path) -> None:
    told: list[tuple[str, int]] = []
    publish(toy, MemoryStore(), "memory", lambda *file: told.append(file))
    assert told == [(name, (toy / name).stat().st_size) for name in FILES]


def test_half_an_upload_is_no_artefact(bucket: Bucket, toy: Path, tmp_path: Path) -> None:
    bucket.room = 1
    with pytest.raises(StoreError):
        publish(toy, open_store(URL), URL)
    assert bucket.put == ["artefacts/toy/2.0.0/labels.txt"]
    assert fetch(URL, "toy", "2.0.0", tmp_path / "kept") is None


def test_an_interrupted_upload_is_completed_by_the_next(bucket: Bucket, toy: Path, tmp_path: Path) -> None:
    bucket.room = 1
    with pytest.raises(StoreError):
        publish(toy, open_store(URL), URL)
    bucket.room = None
    assert publish(toy, open_store(URL), URL)
    assert fetch(URL, "toy", "2.0.0", tmp_path / "kept")


def test_a_version_is_published_once(toy: Path) -> None:
    store = MemoryStore()
    publish(toy, store, "memory")
    before = store.head("toy/2.0.0/model.onnx")
    assert not publish(toy, store, "memory")
    assert store.head("toy/2.0.0/model.onnx") == before


@pytest.mark.parametrize("there", [b'{"files": {"model.onnx": {"sha256": "beef"}}}', b"{}", b"no JSON"])
def test_a_version_is_never_changed(toy: Path, there: bytes) -> None:
    store = MemoryStore()
    store.put("toy/2.0.0/artefact.json", there)
    with pytest.raises(ArtefactError, match="A version never changes"):
        publish(toy, store, "memory")
    assert keys(store) == {"toy/2.0.0/artefact.json"}


def test_a_broken_artefact_is_not_published(toy: Path) -> None:
    (toy / "model.onnx").write_bytes(b"Weights")
    store = MemoryStore()
    with pytest.raises(ArtefactError, match="SHA-256"):
        publish(toy, store, "memory")
    assert keys(store) == set()


def test_what_no_store_has_no_digests() -> None:
    assert digests(MemoryStore(), "toy", "2.0.0") is None


@pytest.fixture
def here(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket, and two artefacts on this machine of which it has one."""
    monkeypatch.setattr("ops.publish.default_stores", lambda: (tmp_path / "made", tmp_path / "new"))
    written(tmp_path / "new" / "toy" / "2.0.0")
    return bucket


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command_line(), ["publish", *arguments])


def test_what_is_named_is_published(here: Bucket) -> None:
    done = run("toy@2.0.0", "--to", URL)
    assert done.exit_code == 0
    assert done.stdout == "toy@2.0.0  published\n"
    assert "artefacts/toy/2.0.0/artefact.json" in here.objects


def test_without_a_name_all_that_is_here_is_published(here: Bucket) -> None:
    done = run("--to", URL, "--json")
    assert json.loads(done.stdout) == [
        {"artefact": "toy@1.0.0", "published": False},
        {"artefact": "toy@2.0.0", "published": True},
    ]


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("toy@9", "There is: toy 1.0.0 in"),
        ("ship@1.0.0", "There is: toy 1.0.0 in"),
        ("toy", "toy has no version.\n  Give for example: toy@1.0.0"),
    ],
)
def test_what_is_not_here_is_told_with_what_is(here: Bucket, named: str, says: str) -> None:
    done = run(named, "--to", URL)
    assert done.exit_code == 1
    assert says in done.stderr
    assert here.put == []


def test_a_store_that_refuses_ends_it_without_a_traceback(here: Bucket) -> None:
    here.readers = {"other"}
    done = run("--to", URL)
    assert done.exit_code == 1
    assert "s3:PutObject" in done.stderr


def test_who_has_no_credentials_is_told_how_to_get_some(here: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    # This machine's role would be asked for there.
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", here.endpoint)
    here.room = 0
    done = run("--to", URL)
    assert done.exit_code == 1
    assert "the environment has no credentials" in done.stderr
    assert "aws configure export-credentials" in done.stderr


def test_a_bucket_that_is_not_there_is_told(here: Bucket) -> None:
    here.missing = True
    done = run("--to", URL)
    assert done.exit_code == 1
    assert f"There is no bucket for {URL}." in done.stderr


def test_a_version_that_is_another_there_is_told_with_what_to_do(here: Bucket) -> None:
    here.objects["artefacts/toy/2.0.0/artefact.json"] = b"{}"
    done = run("toy@2.0.0", "--to", URL)
    assert done.exit_code == 1
    assert "publish it as another version" in done.stderr
