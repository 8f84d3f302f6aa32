"""Puts artefacts into an object store, where clusters find them: ``python -m models.publish s3://bucket/prefix``.

Calling again costs little: a version that is there already is left alone, and never changed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from obstore.store import ObjectStore

from models.artefact import MANIFEST, Artefact, ArtefactError
from models.remote import open_store, reading
from models.store import StoreError, default_stores

UPLOAD_S = 900
"""For one file: the largest artefact, 100 MB, at 1 Mbit/s."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish every artefact of the project, made or committed; 1 when one is broken or the store refuses."""
    parser = argparse.ArgumentParser(prog="python -m models.publish", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("store", help="URL of the object store, for example s3://bucket/prefix")
    url = parser.parse_args(arguments).store
    folders = [file.parent for store in default_stores() for file in sorted(store.glob(f"[!.]*/[!.]*/{MANIFEST}"))]
    try:
        for folder in folders:
            done = "published" if publish(folder, url) else "there"
            print(f"{folder.parent.name} {folder.name}: {done}", flush=True)
    except (ArtefactError, StoreError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def publish(folder: Path, url: str) -> bool:
    """Put one artefact into a store, its manifest last, so that nobody finds half of it.

    Returns:
        Whether it was not there yet.

    Raises:
        ArtefactError: it is broken, or the store has another one under its name and version.
        StoreError: the store cannot be read or written.
    """
    artefact = Artefact.load(folder)
    manifest = (folder / MANIFEST).read_bytes()
    store = open_store(url, answer_s=UPLOAD_S)
    place = f"{artefact.name}/{artefact.version}"
    with reading(url):
        if there := _present(store, f"{place}/{MANIFEST}"):
            if there != manifest:
                raise ArtefactError(folder, f"what {url} has under {place}", "another", "A version never changes.")
            return False
        for name in artefact.files:
            store.put(f"{place}/{name}", folder / name, use_multipart=False)
        store.put(f"{place}/{MANIFEST}", manifest, use_multipart=False)
    return True


def _present(store: ObjectStore, key: str) -> bytes | None:
    try:
        return bytes(store.get(key).bytes())
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
