"""Fit the encoder to sentiment, on sentences written and composed for it: ``python -m models.sentiment.train``."""

# pyright: reportMissingImports=false
# torch is in the group that trains; what serves and tests has none.

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional

from models.minilm import adapt
from models.minilm.encoder import SIZE, published, weights
from models.minilm.text import WordPieces
from models.sentiment import WEIGHTS
from models.sentiment.compose import clauses, compose

SEED = 1
COMPOSED = 2500
FIRST, EPOCHS, RATE = 1, 5, 1e-3
"""Chosen on a fifth of the clauses, and sentences made of them, after training on the rest."""

SMOOTHING = 0.05
"""Taken from the certainty that labels teach, so that scores do not all end at 1."""


class Head(nn.Module):
    """The mean of a text's hidden states, and one number of it: how positive the text is, in logits."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(SIZE.width, 1)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """One logit a text."""
        inside = mask[..., None].float()
        return self.linear((hidden * inside).sum(1) / inside.sum(1))[:, 0]


def main() -> None:
    """Train on all that was written; some minutes on two cores."""
    examples = compose(clauses(), COMPOSED, SEED)
    encoder, pieces = weights(), WordPieces.of(published("tokenizer.json"))
    states = adapt.lower(encoder, [pieces.marked(pieces.split(example.text).ids) for example in examples], FIRST)
    labels = torch.tensor([abs(example.label - SMOOTHING) for example in examples])

    def loss(head: nn.Module, hidden: Tensor, mask: Tensor, numbers: list[int]) -> Tensor:
        return functional.binary_cross_entropy_with_logits(head(hidden, mask), labels[numbers])

    torch.manual_seed(SEED)
    head = Head()
    adapters, _ = adapt.fit(encoder, states, head, loss, first=FIRST, epochs=EPOCHS, rate=RATE, seed=SEED)
    trained = adapters | {
        "head.weight": head.linear.weight.detach().numpy()[0],
        "head.bias": head.linear.bias.detach().numpy(),
    }
    # Half precision: half the size, with answers that differ in the fourth digit.
    save_file({name: np.ascontiguousarray(value, np.float16) for name, value in trained.items()}, WEIGHTS)
    print(f"{WEIGHTS}: {len(examples)} examples, {sum(value.size for value in trained.values())} numbers")


if __name__ == "__main__":
    main()
