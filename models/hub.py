"""What others published: from a mirror folder where one is given, else from the Hugging Face hub."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.artefact import MANIFEST

MIRROR = "MODELSERVE_MIRROR"
"""Names a folder laid out like the hub, or like an artefact store, where the hub cannot be reached."""

HUB_ANSWER_S = 3.0
"""How long set-up waits for the hub to say anything, name look-up included."""


class Unavailable(Exception):  # noqa: N818 - says what is the matter
    """Neither mirror nor hub has the model; the message says so, in half a sentence."""


@dataclass(frozen=True)
class Published:
    """A model as it was published.

    Attributes:
        name: what we call it.
        version: what we call it.
        repository: on the hub.
        files: that are used of it.
        instead: what happens without it, for people.
    """

    name: str
    version: str
    repository: str
    files: tuple[str, ...]
    instead: str


def mirrored(model: Published) -> Path | None:
    """The model's finished artefact in the mirror, if that has one."""
    ready = Path(os.environ.get(MIRROR, ""), model.name, model.version)
    return ready if MIRROR in os.environ and (ready / MANIFEST).is_file() else None


@contextmanager
def fetched(model: Published, cache: Path) -> Iterator[tuple[Path, str]]:
    """The folder of a model's files, and where they are from; what was downloaded goes again, however it ends.

    Raises:
        Unavailable: nobody has them.
        OSError: this machine cannot hold them, for instance because its disk is full.
    """
    if mirror := os.environ.get(MIRROR):
        yield _from_mirror(model, Path(mirror)), f"{model.repository} from a mirror"
        return
    downloads = cache / "downloads"
    try:
        folder = _from_hub(model, downloads)
        # The hub library keeps snapshots by commit, which pins what the artefact is made from.
        yield folder, f"{model.repository} at commit {folder.name}"
    finally:
        shutil.rmtree(downloads, ignore_errors=True)


def _from_mirror(model: Published, mirror: Path) -> Path:
    folder = mirror / model.repository
    missing = [name for name in model.files if not (folder / name).is_file()]
    if missing:
        raise Unavailable(
            f"{MIRROR}={mirror} has neither {model.repository}/{missing[0]} nor {model.name}/{model.version}/"
        )
    return folder


def _from_hub(model: Published, downloads: Path) -> Path:
    if why := silence():
        raise Unavailable(f"the hub cannot be reached ({why})")
    # Imported here, like the hub's library: apps, which import this module, go without the toolchain.
    import httpx2  # noqa: PLC0415
    from huggingface_hub import constants, snapshot_download, utils  # noqa: PLC0415

    from toolchain.progress import step  # noqa: PLC0415

    # Xet keeps files of its own at home, and says everything that goes wrong as a RuntimeError.
    constants.HF_HUB_DISABLE_XET = True
    utils.disable_progress_bars()
    wanted = {"repo_id": model.repository, "allow_patterns": list(model.files), "cache_dir": downloads}
    try:
        size = sum(file.file_size or 0 for file in snapshot_download(**wanted, dry_run=True))
        with step(f"Fetching {model.repository} from the hub", _effort(size)):
            return Path(snapshot_download(**wanted))
    except (httpx2.HTTPError, OSError) as error:
        # What has a number is the machine's own: a full disk, a folder that is somebody else's.
        if getattr(error, "errno", None):
            raise
        # The library says that something is missing; what it was told comes before.
        first = error
        while first.__cause__:
            first = first.__cause__
        raise Unavailable(f"the hub did not give it ({(str(first) or repr(first)).splitlines()[0]})") from None


def _effort(size: int) -> str:
    return f"{size / 1e6:.0f} MB: {size * 8 / 50e6:.0f} s at 50 Mbit/s"


@cache
def silence() -> str:
    """Why the hub cannot be asked, empty where it can: found out once, and briefly. Its library would try for 20 s."""
    import httpx2  # noqa: PLC0415
    from huggingface_hub import constants, get_session  # noqa: PLC0415
    from huggingface_hub.errors import OfflineModeIsEnabled  # noqa: PLC0415

    why = f"no answer within {HUB_ANSWER_S:g} s"

    def ask() -> None:
        nonlocal why
        try:
            get_session().head(constants.ENDPOINT, timeout=HUB_ANSWER_S)
            why = ""
        except (httpx2.TransportError, OfflineModeIsEnabled) as error:
            why = str(error)

    # A thread that is left behind: no time-out reaches into the system's name look-up.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_ANSWER_S)
    return why
