"""Makes the artefacts that are too big to commit: ``python -m models.fetch``. Calling again costs nothing."""

import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

from models import bert_ner, distilbert_sst2, efficientnet_lite0, hub, ner, resnet50, road_lite, sentiment
from models.artefact import Artefact, ArtefactError
from models.hub import Published
from models.minilm import EncoderError
from models.store import default_stores
from models.weights import WeightsError
from toolchain import refused
from toolchain.progress import step

OURS = (efficientnet_lite0, road_lite, sentiment, ner)
"""Made from what is installed."""

PUBLISHED = (resnet50.PUBLISHED, distilbert_sst2.PUBLISHED, bert_ner.PUBLISHED)
"""Made from what others published, where that can be had."""

AGAIN = ".venv/bin/python -m models.fetch && make up"
"""What to type, from the checkout: set-up asks no more once it is done."""


def main() -> int:
    """Make what is missing.

    Returns:
        0, also without a model that has an alternative; 1 when one is broken or has no place; 130 after Ctrl-C.
    """
    store = default_stores()[-1]
    try:
        for model in OURS:
            _ensure(store / model.NAME / model.VERSION, partial(_make, model.__name__))
        for published in PUBLISHED:
            _ensure_published(store / published.name / published.version, published)
    except (WeightsError, EncoderError, ArtefactError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if not (told := refused.explain(error)):
            raise
        print(told, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _ensure_published(folder: Path, model: Published) -> None:
    """Make the artefact of a published model, or say what serves in its place."""
    try:
        _ensure(folder, partial(_make_published, model))
    except hub.Unavailable as reason:
        print(
            f"{model.name} {model.version}: {reason}, so {model.instead}.\n"
            f"  To have it, ask again: {AGAIN}\n"
            f"  or give a folder with {model.repository}/{model.files[0]}: {hub.MIRROR}=/folder {AGAIN}",
            flush=True,
        )


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


def _make(package: str, folder: Path) -> Artefact:
    return import_module(f"{package}.export").make(folder)


def _make_published(model: Published, folder: Path) -> Artefact:
    if ready := hub.mirrored(model):
        known = {key: value for key, value in vars(Artefact.load(ready)).items() if key not in {"name", "version"}}
        files = {name: ready / name for name in known.pop("files")}
        return Artefact.write(folder, files, **known)
    with hub.fetched(model, folder.parents[2]) as (files, source), step(f"Making {model.name} {model.version}"):
        return import_module(f"models.{model.name}.export").make(folder, files, source)


if __name__ == "__main__":
    sys.exit(main())
