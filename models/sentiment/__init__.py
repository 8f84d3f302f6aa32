"""Whether a text speaks well or badly of something: what the sentiment app serves where DistilBERT cannot be had."""

from pathlib import Path

NAME, VERSION = "minilm_sentiment", "1.2.0"

LABELS = ("NEGATIVE", "POSITIVE")
"""In the order of the network's outputs, which is DistilBERT's."""

WEIGHTS = Path(__file__).parent / "weights.safetensors"
"""Adapters and head, as training left them."""
