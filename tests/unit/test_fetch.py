"""Set-up without a hub, with a mirror and with a hub: what is made, what is said, and what a second call costs."""

import errno
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from models import efficientnet_lite0, fetch, hub
from models.artefact import Artefact
from models.efficientnet_lite0 import export
from models.imagenet.graph import signature
from models.resnet50 import export as resnet50

WEIGHTS = "timm/resnet50.tv_in1k/model.safetensors"


@pytest.fixture(scope="module")
def lite0(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "efficientnet_lite0" / "1.0.0"
    export.make(folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lite0: Path) -> Path:
    """A cache that has EfficientNet-Lite0 already, all that is made here; and a hub that does not answer."""
    monkeypatch.setattr(fetch, "OURS", (efficientnet_lite0,))
    monkeypatch.setenv("MODELSERVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(hub.MIRROR, raising=False)
    monkeypatch.setattr(hub, "silence", lambda: "no route")
    shutil.copytree(lite0, tmp_path / "cache/artefacts/efficientnet_lite0/1.0.0")
    return tmp_path / "cache"


def artefact(folder: Path) -> Path:
    """A stand-in for ResNet50: what fetch does with it does not depend on its weights."""
    Artefact.write(
        folder,
        {"model.onnx": b"weights"},
        format="onnx",
        license="BSD-3-Clause",
        provenance="a test",
        made_by="a test",
        signature=signature(224),
        preprocess={},
        metrics={},
    )
    return folder


def test_without_anything_efficientnet_is_made(cache: Path) -> None:
    shutil.rmtree(cache)
    assert fetch.main() == 0
    assert Artefact.load(cache / "artefacts/efficientnet_lite0/1.0.0").name == "efficientnet_lite0"


def test_without_a_hub_it_is_said_what_serves_and_how_to_have_the_model(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch.main() == 0
    said = capsys.readouterr().out
    assert "the hub cannot be reached (no route), so the classifier serves efficientnet_lite0" in said
    assert "so the ner app serves minilm_ner" in said
    assert "To have it, ask again: .venv/bin/python -m models.fetch && make up\n" in said
    assert f"folder with {WEIGHTS}: MODELSERVE_MIRROR=/folder .venv/bin/python -m models.fetch && make up\n" in said


def test_a_mirror_given_later_is_picked_up(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch.main()
    artefact(tmp_path / "mirror/resnet50/1.0.0")
    monkeypatch.setenv(hub.MIRROR, str(tmp_path / "mirror"))
    assert fetch.main() == 0
    assert Artefact.load(cache / "artefacts/resnet50/1.0.0").provenance == "a test"


def test_a_mirror_of_the_hub_is_turned_into_an_artefact(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / WEIGHTS).parent.mkdir(parents=True)
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    made: list[tuple[Path, str]] = []

    def make(folder: Path, files: Path, source: str) -> Artefact:
        made.append((files, source))
        return Artefact.load(artefact(folder))

    monkeypatch.setattr(resnet50, "make", make)
    monkeypatch.setenv(hub.MIRROR, str(tmp_path))
    assert fetch.main() == 0
    assert made == [((tmp_path / WEIGHTS).parent, "timm/resnet50.tv_in1k from a mirror")]


def test_an_empty_mirror_is_named_and_the_hub_is_left_alone(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hub, "silence", lambda: pytest.fail("asked the hub"))
    monkeypatch.setenv(hub.MIRROR, str(tmp_path / "none"))
    assert fetch.main() == 0
    assert f"{hub.MIRROR}={tmp_path / 'none'} has neither {WEIGHTS} nor resnet50/1.0.0/" in capsys.readouterr().out


def test_wrong_weights_in_a_mirror_fail_set_up_with_a_reason(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / WEIGHTS).parent.mkdir(parents=True)
    save_file({"fc.bias": np.zeros((10,), np.float32)}, tmp_path / WEIGHTS)
    monkeypatch.setenv(hub.MIRROR, str(tmp_path))
    assert fetch.main() == 1
    assert "they are not ResNet50's" in capsys.readouterr().err


def test_what_is_there_is_left_as_it_is(cache: Path) -> None:
    artefact(cache / "artefacts/resnet50/1.0.0")
    fetch.main()
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    assert fetch.main() == 0
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before


def test_a_damaged_artefact_is_made_again(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = cache / "artefacts/efficientnet_lite0/1.0.0/model.onnx"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    assert fetch.main() == 0
    assert "damaged, so it is made again" in capsys.readouterr().out
    assert weights.read_bytes() == whole


def test_ctrl_c_ends_it_without_a_word(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hub, "silence", lambda: signal.raise_signal(signal.SIGINT))
    assert fetch.main() == 130
    assert capsys.readouterr().err == ""


def test_a_full_disk_is_named_without_a_traceback(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(hub, "silence", full)
    assert fetch.main() == 1
    assert "A disk is full" in capsys.readouterr().err
