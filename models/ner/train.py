"""Fit the encoder to names, on sentences composed for it: ``python -m models.ner.train``."""

# pyright: reportMissingImports=false
# torch is in the group that trains; what serves and tests has none.

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional

from models.minilm import adapt
from models.minilm.encoder import SIZE, published, weights
from models.minilm.text import Pieces, WordPieces
from models.ner import LABELS, WEIGHTS
from models.ner.compose import Example, compose, templates
from models.ner.network import SHAPES, shapes

SEED = 1
TIMES = 12
FIRST, EPOCHS, RATE = 3, 4, 2e-3
HIDDEN = 64


class Head(nn.Module):
    """The label of each piece, from its hidden state and the shape of its word."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Linear(SIZE.width + SHAPES, HIDDEN)
        self.out = nn.Linear(HIDDEN, len(LABELS))

    def forward(self, hidden: Tensor, look: Tensor) -> Tensor:
        """Logits, (batch, sequence, label)."""
        return self.out(functional.relu(self.narrow(torch.cat([hidden, look], -1))))


def labels(example: Example, pieces: Pieces) -> NDArray[np.int64]:
    """The label of each piece."""
    found = np.zeros(len(pieces.ids), np.int64)
    for entity in example.entities:
        inside = [at for at, (start, end) in enumerate(pieces.offsets) if start < entity.end and end > entity.start]
        found[inside] = LABELS.index(f"I-{entity.entity}")
        found[inside[:1]] = LABELS.index(f"B-{entity.entity}")
    return found


def main() -> None:
    """Train on every template; some minutes on two cores."""
    examples = compose(templates(), TIMES, SEED)
    encoder, tokenizer = weights(), WordPieces.of(published("tokenizer.json"))
    split = [tokenizer.split(example.text) for example in examples]
    states = adapt.lower(encoder, [tokenizer.marked(pieces.ids) for pieces in split], FIRST)
    look = [torch.from_numpy(shapes(example.text, one)) for example, one in zip(examples, split, strict=True)]
    target = [torch.from_numpy(labels(example, one)) for example, one in zip(examples, split, strict=True)]

    def loss(head: nn.Module, hidden: Tensor, mask: Tensor, numbers: list[int]) -> Tensor:
        seen = functional.pad(adapt.pad([look[number] for number in numbers])[0], (0, 0, 1, 1))
        wanted = nn.utils.rnn.pad_sequence([target[number] for number in numbers], True, -100)
        # The marks at both ends have no label.
        wanted = functional.pad(wanted, (1, 1), value=-100)
        return functional.cross_entropy(head(hidden, seen).transpose(1, 2), wanted, label_smoothing=0.02)

    torch.manual_seed(SEED)
    head = Head()
    adapters, _ = adapt.fit(encoder, states, head, loss, first=FIRST, epochs=EPOCHS, rate=RATE, seed=SEED)
    trained = adapters | {f"head.{name}": value.detach().numpy() for name, value in head.state_dict().items()}
    # Half precision: half the size, with answers that differ in the fourth digit.
    save_file({name: np.ascontiguousarray(value, np.float16) for name, value in trained.items()}, WEIGHTS)
    print(f"{WEIGHTS}: {len(examples)} examples, {sum(value.size for value in trained.values())} numbers")


if __name__ == "__main__":
    main()
