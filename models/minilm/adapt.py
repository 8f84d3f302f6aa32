"""Fits adapters and a head to examples, with torch. Only the upper layers are adapted: the lower ones run once."""

# pyright: reportMissingImports=false
# torch is in the group that trains; what serves and tests has none.

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.artefact import Signature
from models.artefact import Tensor as Spec
from models.bert.encoder import BERT, EPSILON, Encoder
from models.minilm.encoder import LINEARS, NORMS, SIZE, Weights
from models.minilm.text import batch
from models.weights import state

RANK = 8

Loss = Callable[[nn.Module, Tensor, Tensor, list[int]], Tensor]
"""Of the head, on hidden states (batch, sequence, width), their mask, and the numbers of the examples."""


def lower(weights: Weights, rows: Sequence[NDArray[np.int64]], first: int, size: int = 64) -> list[Tensor]:
    """What the layers before ``first``, which are not adapted, make of each row of word pieces."""
    encoder = Encoder("lower", state(weights, "MiniLM"), BERT, replace(SIZE, layers=first))
    encoder.graph.op("Identity", [encoder.hidden])
    signature = Signature(encoder.inputs, (Spec("hidden", "FP32", ("batch", "sequence", SIZE.width)),))
    session = onnxruntime.InferenceSession(encoder.graph.finish(signature), providers=["CPUExecutionProvider"])
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    states: list[Tensor] = [torch.empty(0)] * len(rows)
    for start in range(0, len(rows), size):
        numbers = order[start : start + size]
        hidden = np.asarray(session.run(["hidden"], batch([rows[number] for number in numbers]))[0])
        for row, number in enumerate(numbers):
            states[number] = torch.from_numpy(hidden[row, : len(rows[number])].copy())
    return states


class Linear(nn.Module):
    """A published matrix, which stays, and an adapter, which learns."""

    def __init__(self, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor(weight))
        self.register_buffer("bias", torch.tensor(bias))
        self.down = nn.Parameter(torch.randn(weight.shape[1], RANK) / math.sqrt(weight.shape[1]))
        self.up = nn.Parameter(torch.zeros(RANK, weight.shape[0]))

    def forward(self, x: Tensor) -> Tensor:
        """Both together."""
        return functional.linear(x, self.weight, self.bias) + x @ self.down @ self.up


class Layer(nn.Module):
    """A layer of the encoder (arXiv 1810.04805), with adapters."""

    def __init__(self, weights: Weights, at: str) -> None:
        super().__init__()
        make = [Linear(weights[f"{at}.{name}.weight"], weights[f"{at}.{name}.bias"]) for name in LINEARS]
        self.linears = nn.ModuleList(make)
        for number, name in enumerate(NORMS):
            self.register_buffer(f"scale{number}", torch.tensor(weights[f"{at}.{name}.weight"]))
            self.register_buffer(f"shift{number}", torch.tensor(weights[f"{at}.{name}.bias"]))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Attention to what ``mask`` lets through, then the feed-forward part."""
        query, key, value, out, widen, narrow = self.linears
        heads = [part(x).unflatten(-1, (SIZE.heads, -1)).transpose(1, 2) for part in (query, key, value)]
        attended = functional.scaled_dot_product_attention(*heads, attn_mask=mask[:, None, None])
        x = self._norm(0, x + out(attended.transpose(1, 2).flatten(2)))
        return self._norm(1, x + narrow(functional.gelu(widen(x))))

    def _norm(self, number: int, x: Tensor) -> Tensor:
        scale, shift = getattr(self, f"scale{number}"), getattr(self, f"shift{number}")
        return functional.layer_norm(x, (SIZE.width,), scale, shift, eps=EPSILON)


def fit(
    weights: Weights,
    states: Sequence[Tensor],
    head: nn.Module,
    loss: Loss,
    *,
    first: int,
    epochs: int,
    rate: float,
    seed: int,
    size: int = 32,
    dropout: float = 0.1,
) -> tuple[dict[str, NDArray[np.float32]], nn.Module]:
    """Learn a head, and adapters of the layers from ``first`` on.

    Returns:
        The adapters by the names that ``encoder.adapted`` takes, and the adapted layers.
    """
    torch.manual_seed(seed)
    upper = nn.ModuleList(Layer(weights, f"{BERT.layer}.{number}") for number in range(first, SIZE.layers))
    parameters = [*upper.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01)
    steps = epochs * math.ceil(len(states) / size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    started = time.monotonic()
    for epoch in range(epochs):
        total = 0.0
        for numbers in _batches([len(each) for each in states], size, seed + epoch):
            x, mask = pad([states[number] for number in numbers])
            x = functional.dropout(x, dropout)
            value = loss(head, functional.dropout(run(upper, x, mask), dropout), mask, numbers)
            optimiser.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            total += value.item() * len(numbers)
        print(f"epoch {epoch + 1}: loss {total / len(states):.4f}, {time.monotonic() - started:.0f} s", flush=True)
    adapters = {
        f"{first + number}.{name}.{part}": getattr(linear, part).detach().numpy()
        for number, layer in enumerate(upper)
        for name, linear in zip(LINEARS, layer.linears, strict=True)
        for part in ("down", "up")
    }
    return adapters, upper


def run(upper: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """The last hidden states, from those of the layers below."""
    for layer in upper:
        x = layer(x, mask)
    return x


def pad(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """States of different lengths in one tensor, and which of it is theirs."""
    lengths = torch.tensor([len(row) for row in rows])
    return nn.utils.rnn.pad_sequence(list(rows), batch_first=True), torch.arange(lengths.max()) < lengths[:, None]


def _batches(lengths: Sequence[int], size: int, seed: int) -> list[list[int]]:
    """Numbers of examples in batches of like lengths, in any order."""
    rng = np.random.default_rng(seed)
    order = sorted(range(len(lengths)), key=lambda number: lengths[number] + rng.uniform(0, 3))
    made = [order[start : start + size] for start in range(0, len(order), size)]
    rng.shuffle(made)
    return made
