"""Where artefacts are found: folders, object stores and registries, asked in order."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from models.artefact import MANIFEST

Store = Path | str
"""A folder ``<store>/<name>/<version>/``; the URL of the same in S3, ``s3://bucket/prefix``; or that of a registry,
``mlflow+http://host:port/prefix``."""

ONE = re.compile(rf"[a-z][a-z0-9+]*://[^/{os.pathsep}]*(?::\d+)?[^{os.pathsep}]*|[^{os.pathsep}]+")
"""A store among others; what separates them also stands in URLs, twice."""

REGISTRY = ("mlflow+http://", "mlflow+https://")

NAME = re.compile(r"[a-z][a-z0-9_]*")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
ALIAS = re.compile(r"@[a-z]([a-z0-9-]*[a-z0-9])?")
"""Stands for a version, and for another one tomorrow: ``@production``. Without its sign it is a label of Kubernetes."""


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
    return tuple(one if "://" in one else Path(one) for one in ONE.findall(text))


def resolve(name: str, version: str, stores: Sequence[Store]) -> Path:
    """The folder of an artefact in the first store that has it; ``Artefact.load`` verifies what is in it.

    From an object store or a registry it is fetched, once: that takes as long as it takes. An alias is for registries
    alone, and the folder is that of the version that it points at now.

    Raises:
        UnknownModel: no store has it; the message lists what they do have.
        StoreError: an object store or a registry cannot be read, so nobody knows.
        models.artefact.ArtefactError: what such a store has is not what it says.
    """
    alias = ALIAS.fullmatch(version)
    if not NAME.fullmatch(name) or not (alias or VERSION.fullmatch(version)):
        raise UnknownModel(
            f"{name!r} {version!r} cannot be a model and its version.\n  Give for example: resnet50 1.0.0"
        )
    for store in stores:
        if alias and not is_registry(store):
            continue
        folder = _folder(store, name, version)
        if folder and (folder / MANIFEST).is_file():
            return folder
    there = [f"{each} {found} in {store}" for store in stores for each, found in _listed(store) if each == name]
    there = there or [f"{each} {found} in {store}" for store in stores for each, found in _listed(store)]
    asked = ", ".join(str(store) for store in stores) or "no store at all"
    remedy = f"put {name}/{version}/ into a store"
    if alias:
        has = any(map(is_registry, stores))
        remedy = "set the alias in the registry" if has else "give a registry among the stores, mlflow+http://host:port"
    raise UnknownModel(
        f"No {name} {version} in {asked}.\n  There is: {'; '.join(there) or 'nothing that we may list'}.\n"
        f"  Ask for one of these, or {remedy}."
    )


def is_registry(store: Store) -> bool:
    """Whether a store knows aliases."""
    return isinstance(store, str) and store.startswith(REGISTRY)


def _folder(store: Store, name: str, version: str) -> Path | None:
    if isinstance(store, Path):
        return store / name / version
    return _reader(store).fetch(store, name, version, default_stores()[-1].with_name("fetched"))


def _reader(store: str) -> ModuleType:
    """What reads a distant store; only who has such a one waits for it to be imported."""
    if is_registry(store):
        from models import registry  # noqa: PLC0415

        return registry
    from models import remote  # noqa: PLC0415

    return remote


def _listed(store: Store) -> list[tuple[str, str]]:
    """Name and version of every artefact in a store, without verifying them."""
    if isinstance(store, str):
        try:
            return _reader(store).versions(store)
        except StoreError:
            # Who may read a model need not be allowed to list them all.
            return []
    return sorted((found.parent.parent.name, found.parent.name) for found in store.glob(f"[!.]*/[!.]*/{MANIFEST}"))
