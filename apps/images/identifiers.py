"""Identifiers of images and objects."""

import secrets
import time
from uuid import UUID


def uuid7() -> UUID:
    """A new version 7 UUID.

    Its 48 bits of milliseconds make newer ids sort later, its 74 random bits make them impossible to guess. The layout
    is RFC 9562, section 5.7; the standard library has it from Python 3.14 on.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1)
