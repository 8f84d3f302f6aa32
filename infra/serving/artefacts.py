"""The artefacts that apps on clusters need, as far as this machine has them."""

from collections.abc import Iterator, Sequence
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
        for model in _choices(revision.model):
            if folder := _here(model):
                try:
                    found[folder] = Artefact.load(folder)
                except ArtefactError as error:
                    raise pulumi.RunError(str(error)) from None
                break
            missing[f"{model.name} {model.version}"] = None
    if missing:
        pulumi.log.info(f"Not on this machine, so taken to be in the artefact store already: {', '.join(missing)}")
    return found


def _choices(model: Model | None) -> Iterator[Model]:
    while model:
        yield model
        model = model.alternative


def _here(model: Model) -> Path | None:
    try:
        return resolve(model.name, model.version, default_stores())
    except UnknownModel:
        return None
