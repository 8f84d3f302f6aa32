"""Where artefacts are found: directory stores, asked in order."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from models.artefact import MANIFEST

NAME = re.compile(r"[a-z][a-z0-9_]*")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


class UnknownModel(LookupError):  # noqa: N818 - says what is the matter
    """No store has the model, or not in this version."""


def default_stores() -> tuple[Path, ...]:
    """The artefacts that are committed with the project, then those made at set-up into the cache."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(os.environ.get("MODELSERVE_CACHE") or cache_home / "modelserve")
    return Path(__file__).parent, cache / "artefacts"


def resolve(name: str, version: str, stores: Sequence[Path]) -> Path:
    """The folder of an artefact in the first store that has it; ``Artefact.load`` verifies what is in it.

    Raises:
        UnknownModel: no store has it; the message lists what they do have.
    """
    if not NAME.fullmatch(name) or not VERSION.fullmatch(version):
        raise UnknownModel(
            f"{name!r} {version!r} cannot be a model and its version.\n  Give for example: resnet50 1.0.0"
        )
    for store in stores:
        folder = store / name / version
        if (folder / MANIFEST).is_file():
            return folder
    there = [f"{each} {found} in {store}" for store in stores for each, found in _listed(store) if each == name]
    there = there or [f"{each} {found} in {store}" for store in stores for each, found in _listed(store)]
    asked = ", ".join(str(store) for store in stores) or "no store at all"
    raise UnknownModel(
        f"No {name} {version} in {asked}.\n  There is: {'; '.join(there) or 'nothing'}.\n"
        f"  Ask for one of these, or put {name}/{version}/ into a store."
    )


def _listed(store: Path) -> list[tuple[str, str]]:
    """Name and version of every artefact in a store, without verifying them."""
    return sorted((found.parent.parent.name, found.parent.name) for found in store.glob(f"[!.]*/[!.]*/{MANIFEST}"))
