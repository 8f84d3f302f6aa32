"""Directory stores: the first that has a version answers, and a miss says what there is."""

from pathlib import Path

import pytest

from models.store import UnknownModel, default_stores, resolve


def place(store: Path, name: str, version: str) -> Path:
    folder = store / name / version
    folder.mkdir(parents=True)
    (folder / "artefact.json").write_text("{}")
    return folder


def test_the_first_store_that_has_it_answers(tmp_path: Path) -> None:
    stores = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    place(stores[2], "toy", "1.0.0")
    wanted = place(stores[1], "toy", "1.0.0")
    assert resolve("toy", "1.0.0", stores) == wanted


def test_a_folder_without_manifest_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "a" / "toy" / "1.0.0").mkdir(parents=True)
    wanted = place(tmp_path / "b", "toy", "1.0.0")
    assert resolve("toy", "1.0.0", [tmp_path / "a", tmp_path / "b"]) == wanted


def test_an_unknown_version_lists_the_versions_there_are(tmp_path: Path) -> None:
    place(tmp_path / "a", "toy", "1.0.0")
    place(tmp_path / "b", "toy", "1.1.0")
    place(tmp_path / "b", "other", "7")
    with pytest.raises(UnknownModel) as miss:
        resolve("toy", "9", [tmp_path / "a", tmp_path / "b"])
    assert f"toy 1.0.0 in {tmp_path / 'a'}; toy 1.1.0 in {tmp_path / 'b'}." in str(miss.value)


def test_an_unknown_model_lists_the_models_there_are(tmp_path: Path) -> None:
    place(tmp_path, "other", "7")
    with pytest.raises(UnknownModel, match="There is: other 7 in"):
        resolve("toy", "1", [tmp_path])


def test_a_store_that_does_not_exist_is_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="There is: nothing"):
        resolve("toy", "1", [tmp_path / "nowhere"])


@pytest.mark.parametrize(("name", "version"), [("..", "1"), ("toy", ".."), ("toy", "../toy/1"), ("a/b", "1"), ("", "")])
def test_what_could_leave_the_store_is_refused(tmp_path: Path, name: str, version: str) -> None:
    place(tmp_path, "toy", "1")
    with pytest.raises(UnknownModel, match="cannot be a model"):
        resolve(name, version, [tmp_path])


def test_committed_artefacts_come_before_those_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODELSERVE_CACHE", str(tmp_path))
    committed, cached = default_stores()
    assert committed.name == "models"
    assert cached == tmp_path / "artefacts"
