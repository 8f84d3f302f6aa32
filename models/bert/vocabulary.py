"""The tokenizer of a BERT that was published with its vocabulary alone."""

from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as Decoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from models.weights import WeightsError


def tokenizer(vocabulary: Path, *, lowercase: bool) -> bytes:
    """A ``tokenizer.json`` that splits as BERT's own code does with the published ``vocab.txt``.

    Raises:
        WeightsError: the file is no such vocabulary.
    """
    # Not splitlines: a piece may be a character that Unicode ends lines with.
    pieces = vocabulary.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    missing = [mark for mark in ("[PAD]", "[UNK]", "[CLS]", "[SEP]") if mark not in pieces]
    if missing:
        raise WeightsError(f"{vocabulary} lacks {', '.join(missing)}: it is no vocabulary of BERT.\n  Fetch it again.")
    made = Tokenizer(WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))  # noqa: S106
    # Without lower case, accents stay too, as they were in training.
    made.normalizer = BertNormalizer(lowercase=lowercase)
    made.pre_tokenizer = BertPreTokenizer()
    made.decoder = Decoder()
    made.add_special_tokens([piece for piece in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if piece in pieces])
    return made.to_str().encode()
