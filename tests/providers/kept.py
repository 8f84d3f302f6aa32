"""A provider whose resources are files in a folder: what was made is there once, until it is deleted."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.providers.server import CLOUD, FailedError, Properties, Provider, Resource

FAULTS = "faults.json"
"""In the folder: by a resource's name, ``fails`` or ``dies``: what happens to the provider that shall make it."""

ANSWERS = "answers.json"
"""In the folder: outputs by type token, in place of the provider's own."""


@dataclass(frozen=True)
class Thing:
    """What a stand-in made."""

    type: str
    id: str
    name: str
    inputs: Properties
    outputs: Properties


class Cloud:
    """The folder. Several stand-ins write into it, and tests look what there is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def things(self) -> Iterator[Thing]:
        """Everything there is."""
        for file in sorted(self.folder.glob("*.thing")):
            try:
                yield Thing(**json.loads(file.read_text()))
            except FileNotFoundError:  # deleted since
                continue

    def find(self, token: str, identity: str) -> Thing | None:
        """The thing of this type and ID, if there is one."""
        file = self._file(token, identity)
        return Thing(**json.loads(file.read_text())) if file.exists() else None

    def put(self, thing: Thing, new: bool) -> None:
        """Keep a thing; one that is new must not be there yet, and one that is not must be."""
        file = self._file(thing.type, thing.id)
        if file.exists() == new:
            raise FailedError(f"{thing.type} {thing.id} {'exists already' if new else 'does not exist'}")
        part = file.with_suffix(f".{os.getpid()}-{os.urandom(4).hex()}")
        part.write_text(json.dumps(asdict(thing)))
        part.replace(file)

    def remove(self, token: str, identity: str) -> None:
        """Forget a thing."""
        self._file(token, identity).unlink(missing_ok=True)

    def told(self, name: str) -> dict[str, Any]:
        """What a test laid into the folder for stand-ins to follow."""
        file = self.folder / name
        return json.loads(file.read_text()) if file.exists() else {}

    def _file(self, token: str, identity: str) -> Path:
        return self.folder / f"{quote(f'{token} {identity}', safe='')}.thing"


class Kept(Provider):
    """Takes whatever it is given, and keeps it in the tests' folder; override ``identity`` and ``outputs``."""

    def identity(self, resource: Resource, inputs: Properties) -> str:
        """The ID of a new resource."""
        return f"{resource.name}-id"

    def outputs(self, resource: Resource, inputs: Properties, preview: bool) -> Properties:
        """The outputs of a resource with these inputs; ``resource.id`` is its ID, empty in the preview of a new one."""
        return inputs

    def create(self, resource: Resource, inputs: Properties, preview: bool) -> tuple[str, Properties]:
        if preview:
            return "", self.outputs(resource, inputs, preview)
        cloud = _cloud()
        match cloud.told(FAULTS).get(resource.name):
            case "dies":
                os._exit(1)
            case "fails":
                raise FailedError(f"creating {resource.name}: the service is not available")
        made = Resource(resource.urn, id=self.identity(resource, inputs))
        outputs = self.outputs(made, inputs, preview) | cloud.told(ANSWERS).get(resource.type, {})
        cloud.put(Thing(made.type, made.id, made.name, inputs, outputs), new=True)
        return made.id, outputs

    def read(self, resource: Resource, inputs: Properties, outputs: Properties) -> tuple[Properties, Properties] | None:
        found = _cloud().find(resource.type, resource.id)
        return (found.inputs, found.outputs) if found else None

    def update(
        self, resource: Resource, old: Properties, new: Properties, outputs: Properties, preview: bool
    ) -> Properties:
        # Nothing that a service makes up changes with an update: it follows from ID and inputs.
        changed = self.outputs(resource, new, preview=False)
        if not preview:
            changed |= _cloud().told(ANSWERS).get(resource.type, {})
            _cloud().put(Thing(resource.type, resource.id, resource.name, new, changed), new=False)
        return changed

    def delete(self, resource: Resource, inputs: Properties, outputs: Properties) -> None:
        _cloud().remove(resource.type, resource.id)


def _cloud() -> Cloud:
    return Cloud(Path(os.environ[CLOUD]))
