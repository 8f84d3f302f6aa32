"""DistilBERT fine-tuned on SST-2: what the sentiment apps serve where its published weights can be had."""

from models.hub import Published

NAME, VERSION = "distilbert_sst2", "1.0.0"

PUBLISHED = Published(
    NAME,
    VERSION,
    "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
    files=("model.safetensors", "vocab.txt"),
    instead="the sentiment apps serve minilm_sentiment",
)
