"""What to tell when the system refuses a file or a folder: which, why, whose it is, and what to do."""

import errno
import os
import pwd
import shutil
import tempfile
from pathlib import Path

from toolchain import places

FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG)
"""What a path that a user chose can turn out to be; of any other path it is our mistake."""


def explain(error: OSError) -> str:
    """What was refused, and what to do; empty where the user has no part in it."""
    if error.errno in FULL:
        return disk_full()
    if not error.filename:
        return ""
    file = Path(os.fsdecode(error.filename))
    if error.errno in CLOSED or (error.errno in NO_FOLDER and _is_of_cache(file)):
        return _told(file, os.strerror(error.errno))
    return ""


def unwritable() -> str:
    """The same of the first folder that our tools cannot write to; empty where they can write to all."""
    for folder in (places.cache(), places.CHECKOUT, places.DATA, places.VENV, _temporary(), _uv_cache()):
        if not os.access(_nearest(folder), os.W_OK | os.X_OK, effective_ids=True):
            return _told(folder, "not writable")
    return ""


def disk_full() -> str:
    """Advice for a full disk, with the room there is."""
    folders = {"cache": places.cache(), "checkout": places.CHECKOUT, "temporary files": _temporary()}
    room = ", ".join(f"{name} {_free_gb(folder):.1f} GB ({folder})" for name, folder in folders.items())
    return (
        f"A disk is full, or your quota on it. Free: {room}.\n"
        "  Make room, or set MODELSERVE_CACHE or TMPDIR to a folder on another disk."
    )


def _told(file: Path, why: str) -> str:
    there = _nearest(file)
    owner, we = _name(there.stat().st_uid), _name(os.geteuid())
    whose = f"; {there} belongs to {owner}, and you are {we}" if owner != we else ""
    return f"{file} cannot be used: {why}{whose}.\n  {_remedy(file)}"


def _remedy(file: Path) -> str:
    if _is_of_cache(file):
        return "Have it given to you, or set MODELSERVE_CACHE to a folder of yours."
    if file.is_relative_to(places.CHECKOUT):
        return "Have it given to you, or clone the project into a folder of yours."
    for variable, folder in (("UV_CACHE_DIR", _uv_cache()), ("TMPDIR", _temporary())):
        if file.is_relative_to(folder):
            return f"Have it given to you, or set {variable} to a folder of yours."
    return "Have it given to you."


def _is_of_cache(file: Path) -> bool:
    """Whether it is in the cache, or a folder that this is in."""
    return file.is_relative_to(places.cache()) or places.cache().is_relative_to(file)


def _temporary() -> Path:
    return Path(tempfile.gettempdir())


def _uv_cache() -> Path:
    above = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("UV_CACHE_DIR") or above / "uv")


def _nearest(folder: Path) -> Path:
    """The folder, or the first above it that is there."""
    while not os.access(folder, os.F_OK, effective_ids=True):
        folder = folder.parent
    return folder


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _free_gb(folder: Path) -> float:
    return shutil.disk_usage(_nearest(folder)).free / 1e9
