"""The encoder of BERT and of DistilBERT, which name its weights differently."""

from dataclasses import dataclass

import numpy as np

from models.artefact import Tensor
from models.graph import Graph
from models.weights import Source, Weights

EPSILON = 1e-12
"""Of every layer normalisation, in both."""

MASKED = np.float32(-1e9)
"""What keeps attention off padding; the softmax of it is 0."""


@dataclass(frozen=True)
class Size:
    """How large an encoder is.

    Attributes:
        layers: transformer blocks.
        heads: of attention.
        width: of the hidden state.
        inner: width inside the feed-forward part.
        vocabulary: word pieces known.
        positions: word pieces in a row at most.
    """

    layers: int
    heads: int
    width: int
    inner: int
    vocabulary: int
    positions: int


@dataclass(frozen=True)
class Names:
    """How a family of checkpoints names the weights; names of a layer's parts follow ``layer.<number>.``.

    Attributes:
        embeddings: prefix of the tables and of their normalisation.
        layer: prefix of the layers.
        attention: query, key, value and output.
        attention_norm: the normalisation after attention.
        inner: the feed-forward part, inwards and outwards.
        inner_norm: the normalisation after it.
        types: whether there is a table of token types.
    """

    embeddings: str
    layer: str
    attention: tuple[str, str, str, str]
    attention_norm: str
    inner: tuple[str, str]
    inner_norm: str
    types: bool


BERT = Names(
    embeddings="bert.embeddings",
    layer="bert.encoder.layer",
    attention=("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"),
    attention_norm="attention.output.LayerNorm",
    inner=("intermediate.dense", "output.dense"),
    inner_norm="output.LayerNorm",
    types=True,
)
DISTILBERT = Names(
    embeddings="distilbert.embeddings",
    layer="distilbert.transformer.layer",
    attention=("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"),
    attention_norm="sa_layer_norm",
    inner=("ffn.lin1", "ffn.lin2"),
    inner_norm="output_layer_norm",
    types=False,
)


def embeddings(weights: Source, names: Names, size: Size) -> Weights:
    """Of the word pieces, (vocabulary, width)."""
    return weights(f"{names.embeddings}.word_embeddings.weight", (size.vocabulary, size.width))


class Encoder:
    """A graph that begins with an encoder.

    Attributes:
        graph: to be continued.
        inputs: what it takes.
        hidden: the last hidden state, (batch, sequence, width).
    """

    def __init__(self, name: str, weights: Source, names: Names, size: Size) -> None:
        self.graph, self._weights, self._names, self._size = Graph(name), weights, names, size
        inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if names.types else [])]
        self.inputs = tuple(Tensor(each, "INT64", ("batch", "sequence")) for each in inputs)
        self.hidden = self._embedded()
        inside = self.graph.op("Cast", ["attention_mask"], to=1)
        outside = self.graph.op("Sub", [self._number("one", 1), inside])
        row = self.graph.op("Unsqueeze", [outside, self._axes("rows", 1, 2)])
        self._mask = self.graph.op("Mul", [row, self.graph.constant("masked", MASKED)])
        for layer in range(size.layers):
            self.hidden = self._layer(self.hidden, f"{names.layer}.{layer}")

    def linear(self, x: str, at: str, into: int, out: int) -> str:
        """The layer ``at``: ``x`` times its matrix, plus its bias."""
        # Published as (out, in), as torch multiplies.
        matrix = self.graph.constant(f"{at}.weight", self._weights(f"{at}.weight", (out, into)).T.copy())
        bias = self.graph.constant(f"{at}.bias", self._weights(f"{at}.bias", (out,)))
        return self.graph.op("Add", [self.graph.op("MatMul", [x, matrix]), bias])

    def _embedded(self) -> str:
        """Pieces, places and token types, added and normalised."""
        graph, at, width = self.graph, self._names.embeddings, self._size.width
        words = self._table(f"{at}.word_embeddings", self._size.vocabulary)
        places = self._table(f"{at}.position_embeddings", self._size.positions)
        length = graph.op("Slice", [graph.op("Shape", ["input_ids"]), self._axes("second", 1), self._axes("third", 2)])
        here = graph.op("Slice", [places, self._axes("none", 0), length])
        x = graph.op("Add", [graph.op("Gather", [words, "input_ids"]), here])
        if self._names.types:
            types = self._table(f"{at}.token_type_embeddings", 2)
            x = graph.op("Add", [x, graph.op("Gather", [types, "token_type_ids"])])
        return self._norm(x, f"{at}.LayerNorm", width)

    def _layer(self, x: str, at: str) -> str:
        """Attention, then the feed-forward part; each adds to what came in and is normalised."""
        names, width, inner = self._names, self._size.width, self._size.inner
        query, key, value, out = (f"{at}.{part}" for part in names.attention)
        graph, heads = self.graph, self._size.heads
        scale = self._number("scale", 1 / np.sqrt(width // heads))
        asked = graph.op("Mul", [self._heads(query, x, (0, 2, 1, 3)), scale])
        scores = graph.op("MatMul", [asked, self._heads(key, x, (0, 2, 3, 1))])
        shares = graph.op("Softmax", [graph.op("Add", [scores, self._mask])], axis=-1)
        seen = graph.op("MatMul", [shares, self._heads(value, x, (0, 2, 1, 3))])
        whole = graph.op("Transpose", [seen], perm=[0, 2, 1, 3])
        flat = graph.op("Reshape", [whole, self._axes("flat", 0, 0, width)])
        y = self._norm(
            graph.op("Add", [self.linear(flat, out, width, width), x]), f"{at}.{names.attention_norm}", width
        )
        inwards, outwards = (f"{at}.{part}" for part in names.inner)
        wide = graph.op("Gelu", [self.linear(y, inwards, width, inner)])
        return self._norm(
            graph.op("Add", [self.linear(wide, outwards, inner, width), y]), f"{at}.{names.inner_norm}", width
        )

    def _heads(self, at: str, x: str, order: tuple[int, ...]) -> str:
        """A projection of ``x``, split into heads."""
        width, heads = self._size.width, self._size.heads
        projected = self.linear(x, at, width, width)
        split = self.graph.op("Reshape", [projected, self._axes("split", 0, 0, heads, width // heads)])
        return self.graph.op("Transpose", [split], perm=list(order))

    def _norm(self, x: str, at: str, width: int) -> str:
        scale, bias = (
            self.graph.constant(f"{at}.{part}", self._weights(f"{at}.{part}", (width,))) for part in ("weight", "bias")
        )
        return self.graph.op("LayerNormalization", [x, scale, bias], axis=-1, epsilon=EPSILON)

    def _table(self, at: str, rows: int) -> str:
        return self.graph.constant(f"{at}.weight", self._weights(f"{at}.weight", (rows, self._size.width)))

    def _axes(self, name: str, *values: int) -> str:
        return self.graph.constant(name, np.array(values, np.int64))

    def _number(self, name: str, value: float) -> str:
        return self.graph.constant(name, np.float32(value))
