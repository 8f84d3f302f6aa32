"""The folder of tools that checkouts share: what is in it is whole, and made once."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolchain.progress import say


@contextmanager
def locked(file: Path, what: str) -> Iterator[None]:
    """Hold ``file`` alone; say so when another process has to be waited for. The system frees it when we die."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another set-up is busy with {what}; waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def half_made(cache: Path, name: str) -> Iterator[Path]:
    """A folder to build ``name`` in, on the disk of the cache; gone afterwards, unless it was renamed into place.

    Hold the lock of ``name``: what an earlier, killed set-up left under this name is removed first.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for left in cache.glob(f".{name}.*"):
        remove(left)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=cache))
    try:
        yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Delete a tree, also one that Go has made read-only."""
    if not folder.exists():
        return
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


def keep(folder: Path, made: Path) -> None:
    """Put ``made`` where ``folder`` shall be, in one step; one that is there was found broken, and gives way."""
    remove(folder)
    made.rename(folder)
