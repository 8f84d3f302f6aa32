"""Where artefacts are found: folders and object stores, asked in order."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from models.artefact import MANIFEST

Store = Path | str
"""A folder ``<store>/<name>/<version>/``, or the URL of the same in S3: ``s3://bucket/prefix``."""

BETWEEN = re.compile(rf"{re.escape(os.pathsep)}(?!//)")
"""Also stands in URLs."""

NAME = re.compile(r"[a-z][a-z0-9_]*")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


class UnknownModel(LookupError):  # noqa: N818 - says what is the matter
    """No store has the model, or not in this version."""


class StoreError(Exception):
    """A store that does not give what it may have; the message says which, why and what to do."""


def default_stores() -> tuple[Path, ...]:
    """The artefacts that are committed with the project, then those made at set-up into the cache."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(os.environ.get("MODELSERVE_CACHE") or cache_home / "modelserve")
    return Path(__file__).parent, cache / "artefacts"


def parse(text: str) -> tuple[Store, ...]:
    """Stores as ``MODEL_STORES`` names them, separated as paths are."""
    return tuple(one if "://" in one else Path(one) for one in BETWEEN.split(text) if one)


def resolve(name: str, version: str, stores: Sequence[Store]) -> Path:
    """The folder of an artefact in the first store that has it; ``Artefact.load`` verifies what is in it.

    From an object store it is fetched, once: that takes as long as it takes.

    Raises:
        UnknownModel: no store has it; the message lists what they do have.
        StoreError: an object store cannot be read, so nobody knows.
        models.artefact.ArtefactError: what an object store has is not what it says.
    """
    if not NAME.fullmatch(name) or not VERSION.fullmatch(version):
        raise UnknownModel(
            f"{name!r} {version!r} cannot be a model and its version.\n  Give for example: resnet50 1.0.0"
        )
    for store in stores:
        folder = _folder(store, name, version)
        if folder and (folder / MANIFEST).is_file():
            return folder
    there = [f"{each} {found} in {store}" for store in stores for each, found in _listed(store) if each == name]
    there = there or [f"{each} {found} in {store}" for store in stores for each, found in _listed(store)]
    asked = ", ".join(str(store) for store in stores) or "no store at all"
    raise UnknownModel(
        f"No {name} {version} in {asked}.\n  There is: {'; '.join(there) or 'nothing that we may list'}.\n"
        f"  Ask for one of these, or put {name}/{version}/ into a store."
    )


def _folder(store: Store, name: str, version: str) -> Path | None:
    if isinstance(store, Path):
        return store / name / version
    # Only who has such a store waits for what reads it.
    from models import remote  # noqa: PLC0415

    return remote.fetch(store, name, version, default_stores()[-1].with_name("fetched"))


def _listed(store: Store) -> list[tuple[str, str]]:
    """Name and version of every artefact in a store, without verifying them."""
    if isinstance(store, str):
        from models import remote  # noqa: PLC0415

        try:
            return remote.versions(store)
        except StoreError:
            # Who may read a model need not be allowed to list them all.
            return []
    return sorted((found.parent.parent.name, found.parent.name) for found in store.glob(f"[!.]*/[!.]*/{MANIFEST}"))
