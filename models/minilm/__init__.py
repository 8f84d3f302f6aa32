"""MiniLM, a small text encoder that sentiment and named entities share, and the adapters that fit it to each."""


class EncoderError(Exception):
    """The installed encoder is not the published one, or weights do not belong to it."""
