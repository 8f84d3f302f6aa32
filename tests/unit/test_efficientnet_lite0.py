"""EfficientNet-Lite0 as it is made at set-up: the published numbers, right answers on real pictures, no pickle run."""

import hashlib
import io
import os
import pickle
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from skimage import data

from models.artefact import Artefact
from models.efficientnet_lite0 import checkpoint, export
from models.imagenet.preprocess import Preprocess
from models.pictures import decode
from models.weights import WeightsError

# Every 125th logit of efficientnet-lite-pytorch 0.1.0 on torch 2.15 with the published checkpoint, for ``WAVE``.
REFERENCE = [-0.178817, -0.385783, -2.704467, -1.707973, -1.316409, -1.639867, -0.693506, 0.237099]
WAVE = np.sin(np.arange(3 * 224 * 224) * 0.001).astype(np.float32).reshape(1, 3, 224, 224)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("store") / "efficientnet_lite0" / "1.0.0"
    export.make(made)
    return made


@pytest.fixture(scope="module")
def session(folder: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(folder / "model.onnx")


def top(folder: Path, session: onnxruntime.InferenceSession, picture: np.ndarray) -> list[str]:
    """Labels from the likeliest, by the way that the classifier takes: a JPEG in, preprocessing from the manifest."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=90)
    preprocess = Preprocess.of(Artefact.load(folder).preprocess)
    (logits,) = session.run(None, {"pixels": preprocess(decode(stream.getvalue(), preprocess.min_side))[None]})
    labels = (folder / "labels.txt").read_text(encoding="utf-8").splitlines()
    return [labels[number] for number in np.argsort(-logits[0])]


def test_its_logits_are_those_of_the_reference(session: onnxruntime.InferenceSession) -> None:
    (logits,) = session.run(None, {"pixels": WAVE})
    np.testing.assert_allclose(logits[0, ::125], REFERENCE, atol=1e-3)


def test_a_batch_gives_what_its_pictures_give_alone(session: onnxruntime.InferenceSession) -> None:
    (both,) = session.run(None, {"pixels": np.concatenate([WAVE, -WAVE])})
    (alone,) = session.run(None, {"pixels": -WAVE})
    np.testing.assert_allclose(both[1], alone[0], atol=1e-4)


def test_it_knows_a_coffee(folder: Path, session: onnxruntime.InferenceSession) -> None:
    assert top(folder, session, data.coffee())[0] == "espresso"


def test_it_knows_a_cat(folder: Path, session: onnxruntime.InferenceSession) -> None:
    assert set(top(folder, session, data.chelsea())[:3]) == {"tiger cat", "Egyptian cat", "tabby"}


def test_it_knows_a_rocket(folder: Path, session: onnxruntime.InferenceSession) -> None:
    found = top(folder, session, data.rocket())
    assert found[0] == "missile"
    assert {"projectile", "space shuttle"} <= set(found[:5])


def test_the_artefact_says_what_it_is_and_where_it_comes_from(folder: Path) -> None:
    artefact = Artefact.load(folder)
    assert artefact.license == "Apache-2.0"
    assert checkpoint.SHA256 in artefact.provenance
    assert artefact.signature.inputs[0].shape == ("batch", 3, 224, 224)


class Evil:
    """What a poisoned checkpoint holds: a call that runs when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pwned",)


def poisoned(tmp_path: Path, *objects: object) -> tuple[Path, str]:
    """A file of pickles, and its digest, so that only the unpickler stands in the way."""
    content = b"".join(pickle.dumps(each, protocol=2) for each in objects)
    path = tmp_path / "poisoned.pth"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("place", range(5))
def test_code_in_any_part_of_a_checkpoint_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.chdir(tmp_path)
    parts: list[object] = [checkpoint.MAGIC, 1001, {}, {}, []]
    parts[place] = Evil()
    with pytest.raises(WeightsError, match=r"mkdir is no part of a tensor"):
        checkpoint.read(*poisoned(tmp_path, *parts))
    assert not (tmp_path / "pwned").exists()


def test_another_checkpoint_is_refused_by_its_digest(tmp_path: Path) -> None:
    path, digest = poisoned(tmp_path, checkpoint.MAGIC)
    with pytest.raises(WeightsError, match=f"expected SHA-256 {checkpoint.SHA256}, got {digest}"):
        checkpoint.read(path)


def test_a_checkpoint_cut_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not a checkpoint of tensors only"):
        checkpoint.read(*poisoned(tmp_path, checkpoint.MAGIC, 1001))
