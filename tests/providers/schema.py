"""What a provider's SDK package says of a resource type, as plain data: derived once, then read from the cache.

To ask the package itself, it has to be imported: 3 s and 100 MB for the types of one plan.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from toolchain import places, protocol

Type = Any
"""``any``, ``str``, ``int``, ``float`` or ``bool``; else a map with one key: ``list`` or ``map`` with the type of what
they hold, ``either`` with a list of types, ``object`` with its name."""


@dataclass(frozen=True)
class Object:
    """An object, or a resource.

    Attributes:
        properties: types by wire name.
        required: what must be given, or of outputs, what is always there.
    """

    properties: Mapping[str, Type]
    required: Sequence[str]


@dataclass(frozen=True)
class Schema:
    """A resource type.

    Attributes:
        inputs: name of the object of its inputs.
        outputs: name of that of its outputs.
        objects: those two and all within them, by the module and name of their class.
    """

    inputs: str
    outputs: str
    objects: Mapping[str, Object]


@cache
def of(token: str) -> Schema | None:
    """The schema of a type token, ``aws:ec2/vpc:Vpc`` for example; None when there is no such type."""
    file = _file(token)
    if file.exists():
        told = json.loads(file.read_text())
        return Schema(told["inputs"], told["outputs"], {name: Object(**one) for name, one in told["objects"].items()})
    protocol.whole()
    from tests.providers import derive  # noqa: PLC0415 - all of the SDK, which those who find a file do without

    schema = derive.derived(token)
    if schema is None:
        return None
    file.parent.mkdir(parents=True, exist_ok=True)
    # Several stand-ins may come to it at once.
    part = file.with_suffix(f".{os.getpid()}-{os.urandom(4).hex()}")
    part.write_text(json.dumps(asdict(schema)))
    part.replace(file)
    return schema


def _file(token: str) -> Path:
    package = f"pulumi-{token.partition(':')[0]}"
    # What another version of either module has written says other things.
    modules = Path(__file__), Path(__file__).with_name("derive.py")
    how = sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()[:8]
    return places.cache() / "stand-ins" / f"{package}-{version(package)}-{how}" / f"{quote(token, safe='')}.json"
