"""Artefacts: what is written loads, and nothing that was touched since does."""

import json
from pathlib import Path
from typing import Any

import pytest

from models.artefact import MANIFEST, Artefact, ArtefactError, Signature, Tensor

IMAGE = Tensor("image", "FP32", ("batch", 3, "height", "width"))
SIGNATURE = Signature(inputs=(IMAGE,), outputs=(Tensor("scores", "FP32", ("batch", 2)),))


def write(folder: Path, **changed: Any) -> Artefact:
    arguments: dict[str, Any] = {
        "files": {"model.onnx": b"weights", "labels.txt": b"dry\nwet\n"},
        "format": "onnx",
        "license": "Apache-2.0",
        "provenance": "drawn",
        "made_by": "python -m models.toy",
        "signature": SIGNATURE,
        "preprocess": {"size": 224},
        "labels": "labels.txt",
        "metrics": {"f1": 0.5},
    }
    return Artefact.write(folder, **(arguments | changed))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "store" / "toy" / "1.0.0"
    write(place)
    return place


def edit(folder: Path, **changed: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | changed))


def test_what_is_written_loads_as_it_was(tmp_path: Path) -> None:
    written = write(tmp_path / "toy" / "1.0.0")
    assert Artefact.load(tmp_path / "toy" / "1.0.0") == written


def test_the_name_and_version_are_those_of_the_folder(folder: Path) -> None:
    artefact = Artefact.load(folder)
    assert (artefact.name, artefact.version) == ("toy", "1.0.0")


def test_shapes_keep_their_named_axes(folder: Path) -> None:
    assert Artefact.load(folder).signature.inputs[0].shape == ("batch", 3, "height", "width")


def test_a_file_can_be_copied_in(tmp_path: Path) -> None:
    source = tmp_path / "exported"
    source.write_bytes(b"weights")
    write(tmp_path / "toy" / "2", files={"model.onnx": source}, labels=None)
    assert (tmp_path / "toy" / "2" / "model.onnx").read_bytes() == b"weights"


def test_a_changed_byte_is_refused(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"weighty")
    with pytest.raises(ArtefactError, match=r"model\.onnx: expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}"):
        Artefact.load(folder)


def test_another_size_is_refused_with_both_sizes(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"wei")
    with pytest.raises(ArtefactError, match=r"model\.onnx: expected 7 bytes, got 3"):
        Artefact.load(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    with pytest.raises(ArtefactError, match=r"model\.onnx: expected a file, got none"):
        Artefact.load(folder)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"artefact\.json: expected a file, got none"):
        Artefact.load(tmp_path)


def test_an_unlisted_file_is_refused(folder: Path) -> None:
    (folder / "more.onnx").write_bytes(b"")
    with pytest.raises(ArtefactError, match=r"more\.onnx: expected only files that the manifest lists"):
        Artefact.load(folder)


@pytest.mark.parametrize("name", ["../../secret.txt", "/etc/hosts.txt", "sub/model.onnx", "..", "", ".hidden.txt"])
def test_a_name_that_could_leave_the_folder_is_refused(folder: Path, name: str) -> None:
    files = json.loads((folder / MANIFEST).read_text())["files"]
    edit(folder, files=files | {name: {"sha256": "0" * 64, "bytes": 1}})
    with pytest.raises(ArtefactError, match="expected a plain name"):
        Artefact.load(folder)


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "pytorch_model.bin", "model.pkl", MANIFEST])
def test_pickles_and_the_manifest_itself_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtefactError, match="expected a plain name"):
        write(tmp_path / "toy" / "1", files={name: b"", "model.onnx": b""}, labels=None)
    assert list((tmp_path / "toy").iterdir()) == []


@pytest.mark.parametrize("name", ["model.onnx", MANIFEST])
def test_a_link_is_refused_even_to_the_right_bytes(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(ArtefactError, match="expected a plain file, got a link"):
        Artefact.load(folder)


def test_a_truncated_manifest_is_refused(folder: Path) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text[: len(text) // 2])
    with pytest.raises(ArtefactError, match=r"artefact\.json: expected a complete manifest"):
        Artefact.load(folder)


def test_an_unknown_key_is_named(folder: Path) -> None:
    edit(folder, licence="MIT")
    with pytest.raises(ArtefactError, match="licence: Unexpected"):
        Artefact.load(folder)


def test_a_missing_key_is_named(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["license"]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtefactError, match="license: Field required"):
        Artefact.load(folder)


def test_the_manifest_of_another_version_is_refused(folder: Path) -> None:
    edit(folder, version="1.0.1")
    with pytest.raises(ArtefactError, match=r"expected toy 1\.0\.0, got toy 1\.0\.1"):
        Artefact.load(folder)


def test_labels_must_be_a_listed_file(folder: Path) -> None:
    edit(folder, labels="names.txt")
    with pytest.raises(ArtefactError, match=r"labels to name a listed file, got 'names\.txt'"):
        Artefact.load(folder)


def test_an_artefact_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"expected a \.onnx file"):
        write(tmp_path / "toy" / "1", files={"labels.txt": b""})


def test_a_version_is_never_written_twice(folder: Path) -> None:
    with pytest.raises(ArtefactError, match="A version never changes"):
        write(folder, files={"model.onnx": b"other"}, labels=None)
    assert (folder / "model.onnx").read_bytes() == b"weights"


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "toy" / "1", files={"model.onnx": tmp_path / "nowhere"}, labels=None)
    assert list((tmp_path / "toy").iterdir()) == []
