"""The artefacts that apps on clusters need, as far as this machine has them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pulumi

from infra.serving.revision import revisions
from infra.serving.spec import Model, ServingSpec
from models.artefact import Artefact, ArtefactError
from models.store import UnknownModel, default_stores, resolve


def needed(specs: Sequence[ServingSpec]) -> dict[Path, Artefact]:
    """What must be in the artefact store before the apps start: by folder on this machine, verified.

    A version that this machine does not have is taken to be there already, put there by whoever made it. In case it is
    not, its alternative goes along, which the app serves then.

    Raises:
        pulumi.RunError: an artefact is broken; the message says which and what to do.
    """
    found: dict[Path, Artefact] = {}
    missing: dict[str, None] = {}
    for revision in [each for spec in specs for each in revisions(spec)]:
        for choices in _wanted(revision.model):
            for model in choices:
                if folder := _here(model):
                    if folder not in found:
                        found[folder] = _verified(folder)
                    break
                missing[f"{model.name} {model.version}"] = None
    if missing:
        pulumi.log.info(f"Not on this machine, so taken to be in the artefact store already: {', '.join(missing)}")
    return found


def _verified(folder: Path) -> Artefact:
    try:
        return Artefact.load(folder)
    except ArtefactError as error:
        raise pulumi.RunError(str(error)) from None


def _wanted(model: Model | None) -> Iterator[Iterable[Model]]:
    """What a revision serves, each with what is taken in its place; but for what the registry has."""
    if model is not None:
        for also in model.also:
            yield [model.model_copy(update={"version": also, "alternative": None})]
        yield [each for each in _choices(model) if not each.aliased]


def _choices(model: Model | None) -> Iterator[Model]:
    while model:
        yield model
        model = model.alternative


def _here(model: Model) -> Path | None:
    try:
        return resolve(model.name, model.version, default_stores())
    except UnknownModel:
        return None
