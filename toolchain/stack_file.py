"""A stack's file: kept in Git, and written into by the engine."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from toolchain import environment, places

SALT = re.compile(r"^encryptionsalt:.*$", re.MULTILINE)
"""What a passphrase is checked with. It belongs to one checkout, whose state holds it too."""

KEY = re.compile(rb"^(?:secretsprovider|encryptedkey):.*\n?", re.MULTILINE)
"""The key of a state that a team shares. The engine would ask for it although the checkout's own state needs none."""


@contextmanager
def as_written(stack: str) -> Iterator[None]:
    """Leave a stack's file as it was written, where the engine adds the salt and sets the rest in its own way.

    Meanwhile it names no key, unless the state is a shared one. What somebody edits meanwhile stays as it is.
    """
    file = places.CHECKOUT / f"Pulumi.{stack}.yaml"
    written = file.read_bytes() if file.exists() else b""
    own_state = "PULUMI_BACKEND_URL" in environment.variables(os.environ)
    key = b"".join(KEY.findall(written)) if own_state else b""
    given = KEY.sub(b"", written) if key else written
    if key:
        file.write_bytes(given)
    try:
        yield
    finally:
        if written and (now := file.read_bytes()) != written:
            file.write_bytes(written if _said(now) == _said(given) else now + key)


def _said(content: bytes) -> str:
    """All but the salt and white space."""
    return "".join(SALT.sub("", content.decode()).split())
