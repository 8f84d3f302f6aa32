"""Artefacts from a model registry: what an alias points at, whole and verified, or an error that says why not."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models import registry
from models.artefact import Artefact, ArtefactError
from models.registry import fetch
from models.store import StoreError, UnknownModel, parse, resolve
from tests.unit.bucket import written
from tests.unit.mlflow import Tracking


@pytest.fixture
def tracking() -> Iterator[Tracking]:
    served = Tracking()
    yield served
    served.end()


@pytest.fixture
def toy(tracking: Tracking, tmp_path: Path) -> Path:
    """An artefact that is registered, and in production."""
    folder = written(tmp_path / "made" / "toy" / "1.0.0+3f2a9c1b")
    tracking.register(folder)
    return folder


def kept(cache: Path) -> list[str]:
    return sorted(file.name for file in cache.rglob("*") if file.is_file())


def test_an_alias_is_the_version_that_it_points_at(tracking: Tracking, toy: Path, tmp_path: Path) -> None:
    folder = fetch(tracking.store, "toy", "@production", tmp_path / "cache")
    assert folder is not None
    assert folder.name == "1.0.0+3f2a9c1b"
    assert Artefact.load(folder) == Artefact.load(toy)
    assert kept(tmp_path / "cache") == ["artefact.json", "labels.txt", "model.onnx"]


def test_an_alias_that_moves_is_another_version(tracking: Tracking, toy: Path, tmp_path: Path) -> None:
    first = fetch(tracking.store, "toy", "@production", tmp_path / "cache")
    tracking.register(written(tmp_path / "made" / "toy" / "1.1.0"))
    second = fetch(tracking.store, "toy", "@production", tmp_path / "cache")
    assert [folder.name for folder in (first, second) if folder] == ["1.0.0+3f2a9c1b", "1.1.0"]


def test_files_of_a_version_come_once_and_its_alias_is_asked_for_each_time(
    tracking: Tracking, toy: Path, tmp_path: Path
) -> None:
    fetch(tracking.store, "toy", "@production", tmp_path / "cache")
    tracking.asked.clear()
    fetch(tracking.store, "toy", "@production", tmp_path / "cache")
    assert tracking.asked == ["/api/2.0/mlflow/registered-models/alias"]


def test_a_version_is_found_by_its_tag_and_then_never_asked_for(tracking: Tracking, toy: Path, tmp_path: Path) -> None:
    assert fetch(tracking.store, "toy", toy.name, tmp_path / "cache")
    tracking.asked.clear()
    assert fetch(tracking.store, "toy", toy.name, tmp_path / "cache")
    assert tracking.asked == []


@pytest.mark.parametrize(("name", "version"), [("toy", "@staging"), ("toy", "2.0.0"), ("car", "@production")])
def test_what_is_not_registered_is_nobodys_fault(
    tracking: Tracking, toy: Path, tmp_path: Path, name: str, version: str
) -> None:
    assert fetch(tracking.store, name, version, tmp_path / "cache") is None


def test_a_server_may_stand_under_a_prefix(toy: Path, tmp_path: Path) -> None:
    tracking = Tracking(prefix="/mlflow")
    tracking.register(toy)
    assert fetch(tracking.store, "toy", "@production", tmp_path / "cache")
    tracking.end()


def test_two_at_once_get_the_same_folder(tracking: Tracking, toy: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: fetch(tracking.store, "toy", "@production", tmp_path / "cache"), range(4)))
    assert len(folders) == 1
    assert kept(tmp_path / "cache") == ["artefact.json", "labels.txt", "model.onnx"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model.onnx": b"Weights"}, "SHA-256"),
        ({"model.onnx": b"weights and more"}, "expected 7 bytes, got more"),
        ({"model.onnx": b"w"}, "expected 7 bytes, got 1"),
        ({"model.onnx": None}, "expected a file in the registry, got none"),
        ({"artefact.json": b"{}"}, "as the tag artefact_sha256 says"),
        ({"artefact.json": b" " * (1 << 20) + b"{}"}, "expected at most 1048576 bytes"),
    ],
    ids=["changed", "longer", "shorter", "missing", "another manifest", "a huge manifest"],
)
def test_what_is_not_as_it_says_is_not_kept(
    tracking: Tracking, toy: Path, tmp_path: Path, change: dict[str, bytes | None], says: str
) -> None:
    files = tracking.versions[1].files
    for name, content in change.items():
        files.pop(name)
        if content is not None:
            files[name] = content
    with pytest.raises(ArtefactError, match=says):
        fetch(tracking.store, "toy", "@production", tmp_path / "cache")
    assert kept(tmp_path / "cache") == []


@pytest.mark.parametrize("version", ["", "../1.0.0", "@production"])
def test_a_registered_version_must_say_which_it_is(tracking: Tracking, toy: Path, tmp_path: Path, version: str) -> None:
    tracking.versions[1].tags["artefact_version"] = version
    with pytest.raises(ArtefactError, match="a version in the tag artefact_version"):
        fetch(tracking.store, "toy", "@production", tmp_path / "cache")


def test_a_registered_version_must_say_its_digest(tracking: Tracking, toy: Path, tmp_path: Path) -> None:
    del tracking.versions[1].tags["artefact_sha256"]
    with pytest.raises(ArtefactError, match="expected a tag artefact_sha256, got none"):
        fetch(tracking.store, "toy", "@production", tmp_path / "cache")


def test_a_name_that_leads_out_of_the_folder_is_never_written(tracking: Tracking, toy: Path, tmp_path: Path) -> None:
    manifest = toy / "artefact.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"labels.txt": {', b'"../../out.txt": {'))
    tracking.register(toy).files["../../out.txt"] = b"dry\nwet\n"
    with pytest.raises(ArtefactError, match="plain names"):
        fetch(tracking.store, "toy", "@production", tmp_path / "cache")
    assert "out.txt" not in kept(tmp_path)


def test_an_artefact_that_would_fill_the_disk_is_not_begun(
    tracking: Tracking, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "TOTAL_LIMIT", 10)
    with pytest.raises(ArtefactError, match="at most 10 bytes in all"):
        fetch(tracking.store, "toy", "@production", tmp_path / "cache")
    assert not [path for path in tracking.asked if path.endswith("model.onnx")]


@pytest.mark.parametrize("uri", ["s3://bucket/1/", "file:///etc/", "mlflow-artifacts:/../1/"])
def test_files_that_the_server_does_not_hand_out_are_not_fetched(
    tracking: Tracking, toy: Path, tmp_path: Path, uri: str
) -> None:
    tracking.uri = uri
    with pytest.raises(StoreError, match="where we cannot read them"):
        fetch(tracking.store, "toy", "@production", tmp_path / "cache")


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ((503, b"busy"), "answers 503"),
        ((302, b""), "answers 302"),
        ((200, b"<html>"), "no JSON object"),
        ((200, b"[" * 100_000), "no JSON object"),
        ((200, b" " * (4 << 20) + b"{}"), "answers more than"),
    ],
    ids=["busy", "moved", "a page", "deep", "huge"],
)
def test_a_registry_that_answers_nonsense_is_named(
    tracking: Tracking, toy: Path, tmp_path: Path, broken: tuple[int, bytes], says: str
) -> None:
    tracking.broken = broken
    with pytest.raises(StoreError, match=says) as error:
        fetch(tracking.store, "toy", "@production", tmp_path / "cache")
    assert tracking.store in str(error.value)


def test_a_registry_that_is_away_is_named(tracking: Tracking, tmp_path: Path) -> None:
    tracking.end()
    with pytest.raises(StoreError, match=r"mlflow\+http://127.0.0.1:\d+ cannot be reached"):
        fetch(tracking.store, "toy", "@production", tmp_path)


@pytest.mark.parametrize("url", ["mlflow+http://me:secret@host", "mlflow+http://", "mlflow+http://host/?a=b"])
def test_what_is_no_registry_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no registry"):
        fetch(url, "toy", "@production", tmp_path)


def test_stores_are_told_apart_in_one_text() -> None:
    text = "/a:mlflow+http://host:5000:s3://models/artefacts:mlflow+https://host:5000/mlflow:/b"
    assert parse(text) == (
        Path("/a"),
        "mlflow+http://host:5000",
        "s3://models/artefacts",
        "mlflow+https://host:5000/mlflow",
        Path("/b"),
    )


def test_a_folder_does_not_answer_for_an_alias(
    tracking: Tracking, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSERVE_CACHE", str(tmp_path / "cache"))
    written(tmp_path / "mine" / "toy" / "@production")
    found = resolve("toy", "@production", [tmp_path / "mine", tracking.store])
    assert found.is_relative_to(tmp_path / "cache" / "fetched")


def test_an_alias_without_a_registry_is_unknown_and_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match=r"give a registry among the stores, mlflow\+http"):
        resolve("toy", "@production", [tmp_path])


def test_a_miss_lists_what_the_registry_has(tracking: Tracking, toy: Path) -> None:
    with pytest.raises(UnknownModel, match=r"There is: toy 1\.0\.0\+3f2a9c1b in mlflow\+http(.|\n)*set the alias"):
        resolve("toy", "@staging", [tracking.store])
