"""Puts artefacts into an object store, where clusters find them."""

import json
from collections.abc import Callable
from pathlib import Path

from obstore.store import ObjectStore

from models.artefact import MANIFEST, Artefact, ArtefactError
from models.remote import reading
from models.store import StoreError

UPLOAD_S = 900
"""For one file: the largest artefact, 100 MB, at 1 Mbit/s."""


def publish(folder: Path, store: ObjectStore, url: str, tell: Callable[[str, int], None] = lambda *_: None) -> bool:
    """Put one artefact into a store, its manifest last, so that nobody finds half of it.

    Args:
        folder: ``<store>/<name>/<version>/`` on this machine; verified first.
        store: where it goes.
        url: of the store, for messages.
        tell: is called with name and bytes of each file that has arrived.

    Returns:
        Whether it was not there yet.

    Raises:
        ArtefactError: it is broken, or the store has another one under its name and version.
        StoreError: the store cannot be read or written.
    """
    artefact = Artefact.load(folder)
    place = f"{artefact.name}/{artefact.version}"
    with reading(url):
        if (there := digests(store, artefact.name, artefact.version)) is not None:
            if there != {name: file.sha256 for name, file in artefact.files.items()}:
                remedy = "A version never changes: publish it as another version."
                raise ArtefactError(folder, f"what {url} has under {place}", "other digests", remedy)
            return False
        for name in [*artefact.files, MANIFEST]:
            try:
                store.put(f"{place}/{name}", folder / name, use_multipart=False)
            except FileNotFoundError:
                raise StoreError(f"There is no bucket for {url}.\n  Make it, or name another one.") from None
            tell(name, (folder / name).stat().st_size)
    return True


def digests(store: ObjectStore, name: str, version: str) -> dict[str, str] | None:
    """SHA-256 by file of what a store has as this version; None where it has none, empty where nobody can read it."""
    try:
        manifest = bytes(store.get(f"{name}/{version}/{MANIFEST}").bytes())
    except FileNotFoundError:
        return None
    try:
        return {file: listed["sha256"] for file, listed in json.loads(manifest)["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
