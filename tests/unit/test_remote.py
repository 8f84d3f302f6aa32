"""Artefacts from S3: whole and verified in the cache, or an error that says why not."""

from pathlib import Path

import pytest

from models import remote
from models.artefact import Artefact, ArtefactError
from models.remote import fetch
from models.store import StoreError, UnknownModel, parse, resolve
from tests.unit.bucket import URL, Bucket, written


def kept(cache: Path) -> list[str]:
    return sorted(file.name for file in cache.rglob("*") if file.is_file())


def test_an_artefact_is_fetched_and_verifies(bucket: Bucket, tmp_path: Path) -> None:
    folder = fetch(URL, "toy", "1.0.0", tmp_path / "kept")
    assert folder is not None
    assert Artefact.load(folder).labels == "labels.txt"
    assert kept(tmp_path / "kept") == ["artefact.json", "labels.txt", "model.onnx"]


def test_a_large_file_comes_in_parts(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PART", 3)
    folder = fetch(URL, "toy", "1.0.0", tmp_path)
    assert folder is not None
    assert (folder / "model.onnx").read_bytes() == b"weights"
    # Its size, and its 7 bytes in threes.
    assert bucket.asked.count("artefacts/toy/1.0.0/model.onnx") == 4


def test_it_is_fetched_once(bucket: Bucket, tmp_path: Path) -> None:
    first = fetch(URL, "toy", "1.0.0", tmp_path)
    asked = len(bucket.asked)
    assert fetch(URL, "toy", "1.0.0", tmp_path) == first
    assert len(bucket.asked) == asked


def test_two_stores_do_not_take_each_others_place(bucket: Bucket, tmp_path: Path) -> None:
    bucket.hold(written(tmp_path / "other" / "toy" / "1.0.0"), "others/toy/1.0.0")
    assert fetch(URL, "toy", "1.0.0", tmp_path) != fetch("s3://models/others", "toy", "1.0.0", tmp_path)


def test_a_version_that_is_not_there_is_nobodys_fault(bucket: Bucket, tmp_path: Path) -> None:
    assert fetch(URL, "toy", "2.0.0", tmp_path) is None
    assert kept(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model.onnx": b"Weights"}, "SHA-256"),
        ({"model.onnx": b"weights and more"}, "expected 7 bytes, got 16"),
        ({"model.onnx": b"w"}, "expected 7 bytes, got 1"),
        ({"model.onnx": None}, "expected a file in the store, got none"),
        ({"artefact.json": b"{}"}, "a complete manifest"),
    ],
    ids=["changed", "longer", "shorter", "missing", "empty manifest"],
)
def test_what_is_not_as_it_says_is_not_kept(
    bucket: Bucket, tmp_path: Path, change: dict[str, bytes | None], says: str
) -> None:
    for name, content in change.items():
        bucket.objects.pop(f"artefacts/toy/1.0.0/{name}")
        if content is not None:
            bucket.objects[f"artefacts/toy/1.0.0/{name}"] = content
    with pytest.raises(ArtefactError, match=says):
        fetch(URL, "toy", "1.0.0", tmp_path / "kept")
    assert kept(tmp_path / "kept") == []


def test_a_name_that_leads_out_of_the_folder_is_never_written(bucket: Bucket, tmp_path: Path) -> None:
    manifest = bucket.objects["artefacts/toy/1.0.0/artefact.json"]
    bucket.objects["artefacts/toy/1.0.0/artefact.json"] = manifest.replace(b'"labels.txt": {', b'"../../out.txt": {')
    bucket.objects["artefacts/out.txt"] = b"dry\nwet\n"
    with pytest.raises(ArtefactError, match="plain names"):
        fetch(URL, "toy", "1.0.0", tmp_path / "kept")
    assert "out.txt" not in kept(tmp_path)


def test_a_key_without_rights_is_told_which_it_lacks(bucket: Bucket, tmp_path: Path) -> None:
    bucket.readers = {"other"}
    with pytest.raises(StoreError, match=r"s3://models/artefacts refuses us: (.|\n)*s3:GetObject and s3:ListBucket"):
        fetch(URL, "toy", "1.0.0", tmp_path)


def test_keys_may_lie_in_a_file(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.readers = {"filed"}
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = filed\naws_secret_access_key = %1$s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    assert fetch(URL, "toy", "1.0.0", tmp_path)


def test_a_file_without_keys_is_named(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(StoreError, match=r"nowhere has no \[default\] section"):
        fetch(URL, "toy", "1.0.0", tmp_path)


def test_a_store_that_stumbles_is_asked_again(bucket: Bucket, tmp_path: Path) -> None:
    bucket.stumbles = 2
    assert fetch(URL, "toy", "1.0.0", tmp_path)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Give s3://bucket/prefix"):
        fetch("ftp://models", "toy", "1.0.0", tmp_path)


def test_stores_are_told_apart_in_one_text() -> None:
    assert parse("/a:s3://models/artefacts:/b") == (Path("/a"), URL, Path("/b"))


def test_a_folder_before_an_object_store_answers_first(bucket: Bucket, tmp_path: Path) -> None:
    mine = written(tmp_path / "mine" / "toy" / "1.0.0")
    assert resolve("toy", "1.0.0", [tmp_path / "mine", URL]) == mine
    assert bucket.asked == []


def test_an_object_store_answers_where_no_folder_does(bucket: Bucket, tmp_path: Path) -> None:
    found = resolve("toy", "1.0.0", [tmp_path / "empty", URL])
    assert found.is_relative_to(tmp_path / "cache" / "fetched")


def test_a_miss_lists_what_the_object_store_has(bucket: Bucket) -> None:
    with pytest.raises(UnknownModel, match=r"There is: toy 1\.0\.0 in s3://models/artefacts\."):
        resolve("toy", "9", [URL])


def test_what_is_not_there_is_not_taken_for_refused(bucket: Bucket, tmp_path: Path) -> None:
    # As a role may that reads one model: S3 then answers 403 for a key that is not there.
    bucket.listed = "artefacts/toy/"
    assert fetch(URL, "toy", "2.0.0", tmp_path) is None


def test_who_may_list_one_model_still_learns_that_it_is_unknown(bucket: Bucket) -> None:
    bucket.listed = "artefacts/toy/"
    with pytest.raises(UnknownModel, match="There is: nothing that we may list"):
        resolve("toy", "9", [URL])


def test_what_is_there_and_refused_is_no_unknown_model(bucket: Bucket, tmp_path: Path) -> None:
    bucket.listed = "artefacts/toy/"
    bucket.closed = {"artefacts/toy/1.0.0/artefact.json"}
    with pytest.raises(StoreError, match="refuses us"):
        fetch(URL, "toy", "1.0.0", tmp_path)
