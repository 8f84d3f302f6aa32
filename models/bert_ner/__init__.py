"""BERT fine-tuned on CoNLL-2003: what the ner app serves where its published weights can be had."""

from models.hub import Published

NAME, VERSION = "bert_ner", "1.0.0"

PUBLISHED = Published(
    NAME,
    VERSION,
    "dslim/bert-base-NER",
    files=("model.safetensors", "vocab.txt"),
    instead="the ner app serves minilm_ner",
)
