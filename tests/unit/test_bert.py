"""The BERTs that others published, from their weights to answers, seen on a real one of the same shape."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import save_file

from models import bert_ner, distilbert_sst2
from models.artefact import Artefact, Signature, Tensor
from models.bert import vocabulary
from models.bert.encoder import BERT, DISTILBERT, Encoder, Size
from models.bert_ner import export as ner
from models.distilbert_sst2 import export as distilbert
from models.minilm import encoder as minilm
from models.minilm.encoder import LINEARS, NORMS
from models.minilm.encoder import SIZE as MINILM
from models.minilm.text import WordPieces, batch
from models.weights import WeightsError, he_normal, published, state

TINY = Size(layers=2, heads=2, width=8, inner=16, vocabulary=12, positions=16)
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "##ly", "Anna", "anna", "é", "."]

Weights = dict[str, np.ndarray]


def as_distilbert(weights: Weights) -> Weights:
    """The same weights under DistilBERT's names; its words carry the one token type that it has no table for."""
    parts = dict(zip((*LINEARS, *NORMS), (*DISTILBERT.attention, *DISTILBERT.inner, *NORMS), strict=True))
    parts |= dict(zip(NORMS, (DISTILBERT.attention_norm, DISTILBERT.inner_norm), strict=True))
    renamed: Weights = {}
    for name, value in weights.items():
        at, _, part = name.removeprefix(f"{BERT.layer}.").partition(".")
        if name.startswith(BERT.layer):
            layer, kind = part.rpartition(".")[::2]
            renamed[f"{DISTILBERT.layer}.{at}.{parts[layer]}.{kind}"] = value
        elif "token_type" not in name:
            renamed[name.replace(BERT.embeddings, DISTILBERT.embeddings)] = value
    words = f"{DISTILBERT.embeddings}.word_embeddings.weight"
    renamed[words] = renamed[words] + weights[f"{BERT.embeddings}.token_type_embeddings.weight"][0]
    return renamed


def hidden(encoder: Encoder, width: int, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """What the encoder makes of the inputs that it takes."""
    encoder.graph.op("Identity", [encoder.hidden])
    signature = Signature(encoder.inputs, (Tensor("hidden", "FP32", ("batch", "sequence", width)),))
    session = onnxruntime.InferenceSession(encoder.graph.finish(signature), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["hidden"], {tensor.name: inputs[tensor.name] for tensor in encoder.inputs})[0])


@pytest.fixture(scope="module")
def texts() -> dict[str, np.ndarray]:
    pieces = WordPieces.of(minilm.published("tokenizer.json"))
    return batch(
        [pieces.marked(pieces.split(text).ids) for text in ("A good day.", "Nobody came to the opening at all.")]
    )


@pytest.fixture(scope="module")
def expected(texts: dict[str, np.ndarray]) -> np.ndarray:
    """What the published graph answers, where there is text."""
    session = onnxruntime.InferenceSession(minilm.published("model.onnx"), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["last_hidden_state"], texts)[0])[texts["attention_mask"] == 1]


def test_the_encoder_answers_what_a_published_one_of_its_shape_does(
    texts: dict[str, np.ndarray], expected: np.ndarray
) -> None:
    made = hidden(Encoder("minilm", state(minilm.weights(), "MiniLM"), BERT, MINILM), MINILM.width, texts)
    np.testing.assert_allclose(made[texts["attention_mask"] == 1], expected, atol=2e-4)


def test_so_does_the_one_with_distilbert_s_names(texts: dict[str, np.ndarray], expected: np.ndarray) -> None:
    weights = state(as_distilbert(minilm.weights()), "MiniLM")
    made = hidden(Encoder("minilm", weights, DISTILBERT, MINILM), MINILM.width, texts)
    np.testing.assert_allclose(made[texts["attention_mask"] == 1], expected, atol=2e-4)


def publish(folder: Path, weights: Weights) -> Path:
    """A repository with these weights and a vocabulary."""
    folder.mkdir()
    save_file(weights, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return folder


def random(network: object) -> Weights:
    """Weights of every name and shape that a network asks for."""
    asked: Weights = {}
    draw = he_normal(0)

    def take(name: str, shape: tuple[int, ...]) -> np.ndarray:
        return asked.setdefault(name, draw(name, shape))

    network(take, TINY)  # type: ignore[operator]
    return asked


def test_a_repository_of_distilbert_becomes_an_artefact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = publish(tmp_path / "files", random(distilbert.network))
    monkeypatch.setattr(distilbert.network, "__defaults__", (TINY,))
    monkeypatch.setattr(distilbert, "BASE", TINY)
    monkeypatch.setattr("models.sentiment.export.holdout", lambda: (["good", "badly ."], ["POSITIVE", "NEGATIVE"]))
    made = distilbert.make(tmp_path / "distilbert_sst2" / "1.0.0", files, "a test")
    assert Artefact.load(tmp_path / "distilbert_sst2" / "1.0.0") == made
    assert [tensor.name for tensor in made.signature.inputs] == ["input_ids", "attention_mask"]
    assert made.metrics["holdout_sentences"] == 2


def test_a_repository_of_bert_ner_becomes_an_artefact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = publish(tmp_path / "files", random(ner.network))
    monkeypatch.setattr(ner.network, "__defaults__", (TINY,))
    monkeypatch.setattr(ner, "BASE", TINY)
    monkeypatch.setattr("models.ner.export.holdout", list)
    made = ner.make(tmp_path / "bert_ner" / "1.0.0", files, "a test")
    assert made.classes(tmp_path / "bert_ner" / "1.0.0")[3:5] == ["B-PER", "I-PER"]
    assert made.license == "MIT"


def test_a_vocabulary_of_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = publish(tmp_path / "files", random(distilbert.network))
    (files / "vocab.txt").write_text("\n".join([*VOCABULARY, "more"]) + "\n", encoding="utf-8")
    monkeypatch.setattr(distilbert.network, "__defaults__", (TINY,))
    monkeypatch.setattr(distilbert, "BASE", TINY)
    with pytest.raises(WeightsError, match="has 13 word pieces, but the weights have embeddings of 12"):
        distilbert.make(tmp_path / "distilbert_sst2" / "1.0.0", files, "a test")


@pytest.mark.parametrize("model", [distilbert_sst2, bert_ner])
def test_published_files_are_weights_that_run_no_code(model: object) -> None:
    assert model.PUBLISHED.files == ("model.safetensors", "vocab.txt")  # type: ignore[attr-defined]


def test_names_from_tensorflow_s_days_are_understood(tmp_path: Path) -> None:
    save_file({"norm.gamma": np.ones(2, np.float32), "norm.beta": np.zeros(2, np.float32)}, tmp_path / "w.safetensors")
    weights = published(tmp_path / "w.safetensors", "BERT")
    assert weights("norm.weight", (2,)).tolist() == [1, 1]
    assert weights("norm.bias", (2,)).tolist() == [0, 0]


def test_a_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    files = publish(tmp_path / "files", {"classifier.bias": np.zeros(2, np.float32)})
    whole = (files / "model.safetensors").read_bytes()
    (files / "model.safetensors").write_bytes(whole[:-1])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        distilbert.make(tmp_path / "distilbert_sst2" / "1.0.0", files, "a test")


@pytest.mark.parametrize(("lowercase", "ids"), [(True, [9, 5, 7, 1]), (False, [8, 5, 7, 10])])
def test_words_are_split_as_the_vocabulary_says(tmp_path: Path, lowercase: bool, ids: list[int]) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    pieces = WordPieces.of(vocabulary.tokenizer(tmp_path / "vocab.txt", lowercase=lowercase))
    assert pieces.split("Anna goodly é").ids.tolist() == ids


def test_a_file_that_is_no_vocabulary_is_named(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("good\nbad\n")
    with pytest.raises(WeightsError, match=r"vocab.txt lacks \[PAD\], \[UNK\], \[CLS\], \[SEP\]"):
        vocabulary.tokenizer(tmp_path / "vocab.txt", lowercase=True)
