"""Puts what a distant store has of an artefact into the cache: complete and verified, or not at all."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from pydantic import TypeAdapter, ValidationError

from models.artefact import FILE_NAME, MANIFEST, MANIFEST_LIMIT, Artefact, ArtefactError, File


def place(cache: Path, url: str, name: str, version: str) -> Path:
    """Where a version from the store at ``url`` lies in the cache, once it does."""
    return cache / hashlib.sha256(url.encode()).hexdigest()[:12] / name / version


def is_there(folder: Path) -> bool:
    """Whether the artefact is in the cache: a version never changes, and a folder appears whole."""
    return (folder / MANIFEST).is_file()


def listed(manifest: bytes, file: Path) -> dict[str, File]:
    """The files to fetch, before anything else of the manifest is believed.

    Args:
        manifest: content of ``artefact.json``.
        file: where it will lie, for messages.

    Raises:
        ArtefactError: it is no manifest, or names what is no plain file.
    """
    if len(manifest) > MANIFEST_LIMIT:
        raise ArtefactError(file, f"at most {MANIFEST_LIMIT} bytes", f"{len(manifest)}")
    try:
        files = TypeAdapter(Artefact).validate_json(manifest).files
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ArtefactError(file, "a complete manifest", f"{where}: {first['msg']}") from None
    for name in files:
        if not FILE_NAME.fullmatch(name):
            raise ArtefactError(file, "plain names of files", repr(name))
    return files


@contextmanager
def whole(folder: Path, manifest: bytes) -> Iterator[Path]:
    """A folder to put the manifest's files into; verified in the end, it appears as ``folder``.

    Where another process was first, what that put there stays: it was verified like ours.

    Raises:
        ArtefactError: the files are not what the manifest says; nothing is kept of them.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    # Artefact verifies its folder's name too.
    filled = partial / folder.parent.name / folder.name
    filled.mkdir(parents=True)
    try:
        yield filled
        (filled / MANIFEST).write_bytes(manifest)
        Artefact.load(filled)
        try:
            filled.rename(folder)
        except OSError:
            if not is_there(folder):
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
