"""A stack's file: kept in Git, and written into by the engine."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from toolchain import places

SALT = re.compile(r"^encryptionsalt:.*$", re.MULTILINE)
"""What a passphrase is checked with. It belongs to one checkout, whose state holds it too."""


@contextmanager
def as_written(stack: str) -> Iterator[None]:
    """Leave a stack's file as it was written, where the engine adds the salt and sets the rest in its own way.

    One that somebody edits meanwhile stays as it is.
    """
    file = places.CHECKOUT / f"Pulumi.{stack}.yaml"
    written = file.read_bytes() if file.exists() else b""
    try:
        yield
    finally:
        if written and (now := file.read_bytes()) != written and _said(now) == _said(written):
            file.write_bytes(written)


def _said(content: bytes) -> str:
    """All but the salt and white space."""
    return "".join(SALT.sub("", content.decode()).split())
