"""Names in texts, of people, organisations, places and more: what the ner app serves where BERT NER cannot be had."""

from pathlib import Path

NAME, VERSION = "minilm_ner", "1.2.0"

LABELS = ("O", "B-MISC", "I-MISC", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
"""In the order of the network's outputs: the first word piece of an entity begins it, the others are inside."""

WEIGHTS = Path(__file__).parent / "weights.safetensors"
"""Adapters and head, as training left them."""
