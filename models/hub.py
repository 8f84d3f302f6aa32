"""What others published: from a mirror folder where one is given, else from the Hugging Face hub."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.artefact import MANIFEST

MIRROR = "MODELSERVE_MIRROR"
"""Names a folder laid out like the hub, or like an artefact store, where the hub cannot be reached."""

HUB_ANSWER_S = 3.0
"""How long set-up waits for the hub to say anything, name look-up included."""

HUB_AGAIN_S = 24 * 3600
"""How long a hub that did not answer is left alone, so that set-up without one stays fast."""


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
    """The folder of a model's files, and where they are from; what was downloaded goes again afterwards.

    Raises:
        Unavailable: nobody has them.
    """
    if mirror := os.environ.get(MIRROR):
        yield _from_mirror(model, Path(mirror)), f"{model.repository} from a mirror"
        return
    downloads = cache / "downloads"
    folder = _from_hub(model, downloads, cache / "hub-unreachable")
    # The hub library keeps snapshots by commit, which pins what the artefact is made from.
    yield folder, f"{model.repository} at commit {folder.name}"
    shutil.rmtree(downloads, ignore_errors=True)


def _from_mirror(model: Published, mirror: Path) -> Path:
    folder = mirror / model.repository
    missing = [name for name in model.files if not (folder / name).is_file()]
    if missing:
        raise Unavailable(
            f"{MIRROR}={mirror} has neither {model.repository}/{missing[0]} nor {model.name}/{model.version}/"
        )
    return folder


def _from_hub(model: Published, downloads: Path, silent: Path) -> Path:
    if silent.exists() and time.time() - silent.stat().st_mtime < HUB_AGAIN_S:
        raise Unavailable(f"the hub did not answer within the last day (remove {silent} to ask again)")
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - most of what a repeated call would take

    try:
        if not _hub_answers(model):
            raise TimeoutError
        folder = Path(snapshot_download(model.repository, allow_patterns=list(model.files), cache_dir=downloads))
    except OSError as error:  # The hub library's errors are OSErrors, and so are a full disk's and a cut connection's.
        silent.parent.mkdir(parents=True, exist_ok=True)
        silent.touch()
        raise Unavailable(f"the hub cannot be reached{f' ({error})' if str(error) else ''}") from None
    silent.unlink(missing_ok=True)
    return folder


def _hub_answers(model: Published) -> bool:
    """Ask once and briefly; the hub library itself would retry for twenty seconds."""
    import httpx  # noqa: PLC0415
    from huggingface_hub import hf_hub_url, is_offline_mode  # noqa: PLC0415

    answered = threading.Event()

    def ask() -> None:
        try:
            httpx.head(hf_hub_url(model.repository, model.files[0]), timeout=HUB_ANSWER_S).raise_for_status()
            answered.set()
        except httpx.HTTPError:
            pass

    if is_offline_mode():
        return False
    # A thread that is left behind: no time-out reaches into the system's name look-up.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_ANSWER_S)
    return answered.is_set()
