"""Makes the artefacts that are too big to commit: ``python -m models.fetch``. Calling again costs nothing."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from models import efficientnet_lite0, ner, resnet50, sentiment
from models.artefact import MANIFEST, Artefact, ArtefactError
from models.imagenet.weights import WeightsError
from models.minilm import EncoderError
from models.store import default_stores

MIRROR = "MODELSERVE_MIRROR"
"""Names a folder laid out like the hub, or like an artefact store, where the hub cannot be reached."""

HUB_ANSWER_S = 3.0
"""How long set-up waits for the hub to say anything, name look-up included."""

HUB_AGAIN_S = 24 * 3600
"""How long a hub that did not answer is left alone, so that set-up without one stays fast."""


class Unavailable(Exception):  # noqa: N818 - says what is the matter
    """Neither mirror nor hub has the model; the message says so, in half a sentence."""


def main() -> int:
    """Make what is missing; 0 also when a model cannot be had that has an alternative, 1 when one is broken."""
    store = default_stores()[-1]
    try:
        _ensure(store / efficientnet_lite0.NAME / efficientnet_lite0.VERSION, _efficientnet_lite0)
        _ensure(store / sentiment.NAME / sentiment.VERSION, _sentiment)
        _ensure(store / ner.NAME / ner.VERSION, _ner)
        _ensure(store / resnet50.NAME / resnet50.VERSION, _resnet50)
    except (WeightsError, EncoderError, ArtefactError) as error:
        print(error, file=sys.stderr)
        return 1
    except Unavailable as reason:
        print(
            f"{resnet50.NAME} {resnet50.VERSION}: {reason}, so the classifier serves {efficientnet_lite0.NAME}.\n"
            f"  To have it, give a folder with {resnet50.REPOSITORY}/{resnet50.WEIGHTS}: "
            f"{MIRROR}=/folder python -m models.fetch",
            flush=True,
        )
    return 0


def _ensure(folder: Path, make: Callable[[Path], Artefact]) -> None:
    """Make the artefact unless a good one is there; one that is damaged is made again."""
    label = f"{folder.parent.name} {folder.name}"
    if folder.exists():
        try:
            Artefact.load(folder)
        except ArtefactError as error:
            print(f"{label}: damaged, so it is made again. {error}", flush=True)
            shutil.rmtree(folder)
        else:
            print(f"{label}: there", flush=True)
            return
    started = time.monotonic()
    artefact = make(folder)
    size = sum(file.bytes for file in artefact.files.values()) / 1e6
    print(f"{label}: made in {time.monotonic() - started:.1f} s, {size:.0f} MB, from {artefact.provenance}", flush=True)


# What makes artefacts is imported where one is made: it would be most of what a repeated call takes.


def _efficientnet_lite0(folder: Path) -> Artefact:
    from models.efficientnet_lite0.export import make  # noqa: PLC0415

    return make(folder)


def _sentiment(folder: Path) -> Artefact:
    from models.sentiment.export import make  # noqa: PLC0415

    return make(folder)


def _ner(folder: Path) -> Artefact:
    from models.ner.export import make  # noqa: PLC0415

    return make(folder)


def _resnet50(folder: Path) -> Artefact:
    if mirror := os.environ.get(MIRROR):
        return _from_mirror(Path(mirror), folder)
    return _from_hub(folder)


def _from_mirror(mirror: Path, folder: Path) -> Artefact:
    from models.resnet50.export import make  # noqa: PLC0415

    ready = mirror / resnet50.NAME / resnet50.VERSION
    weights = mirror / resnet50.REPOSITORY / resnet50.WEIGHTS
    if (ready / MANIFEST).is_file():
        known = {key: value for key, value in vars(Artefact.load(ready)).items() if key not in {"name", "version"}}
        files = {name: ready / name for name in known.pop("files")}
        return Artefact.write(folder, files, **known)
    if weights.is_file():
        return make(folder, weights, source=f"{resnet50.REPOSITORY} from a mirror")
    raise Unavailable(f"{MIRROR}={mirror} has neither {weights.relative_to(mirror)} nor {ready.relative_to(mirror)}/")


def _from_hub(folder: Path) -> Artefact:
    cache = folder.parents[2]
    silent = cache / "hub-unreachable"
    if silent.exists() and time.time() - silent.stat().st_mtime < HUB_AGAIN_S:
        raise Unavailable(f"the hub did not answer within the last day (remove {silent} to ask again)")
    from huggingface_hub import hf_hub_download  # noqa: PLC0415

    from models.resnet50.export import make  # noqa: PLC0415

    downloads = cache / "downloads"
    try:
        if not _hub_answers():
            raise TimeoutError
        weights = Path(hf_hub_download(resnet50.REPOSITORY, resnet50.WEIGHTS, cache_dir=downloads))
    except OSError as error:  # The hub library's errors are OSErrors, and so are a full disk's and a cut connection's.
        cache.mkdir(parents=True, exist_ok=True)
        silent.touch()
        raise Unavailable(f"the hub cannot be reached{f' ({error})' if str(error) else ''}") from None
    silent.unlink(missing_ok=True)
    # The hub library keeps snapshots by commit, which pins what the artefact was made from.
    artefact = make(folder, weights, source=f"{resnet50.REPOSITORY} at commit {weights.parent.name}")
    shutil.rmtree(downloads, ignore_errors=True)
    return artefact


def _hub_answers() -> bool:
    """Ask once and briefly; the hub library itself would retry for twenty seconds."""
    import httpx  # noqa: PLC0415
    from huggingface_hub import hf_hub_url, is_offline_mode  # noqa: PLC0415

    answered = threading.Event()

    def ask() -> None:
        try:
            httpx.head(hf_hub_url(resnet50.REPOSITORY, resnet50.WEIGHTS), timeout=HUB_ANSWER_S).raise_for_status()
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


if __name__ == "__main__":
    sys.exit(main())
