"""A model artefact: a folder of weights and what is needed to use them, every byte of it verified before use."""

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

MANIFEST = "artefact.json"
MANIFEST_LIMIT = 1 << 20
"""Bytes of a manifest at most; real ones have a few thousand."""

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Flat and plain, so that no listed name can lead out of the folder."""

SUFFIXES = frozenset({".onnx", ".safetensors", ".json", ".txt"})
"""What loads without running code; pickles (.pt, .pth, .bin, .pkl, .joblib) do not."""

STRICT = ConfigDict(extra="forbid", strict=True)

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]
"""Tensor datatypes as the Open Inference Protocol V2 names them."""


class ArtefactError(Exception):
    """An artefact that must not be used.

    Attributes:
        file: the file or folder that is wrong.
        expected: what should be there.
        got: what is there.
    """

    def __init__(self, file: Path, expected: str, got: str, remedy: str = "") -> None:
        remedy = remedy or "Remove the artefact and make or fetch it again."
        super().__init__(f"{file}: expected {expected}, got {got}.\n  {remedy}")
        self.file, self.expected, self.got = file, expected, got


@dataclass(frozen=True, config=STRICT)
class File:
    """A file of an artefact.

    Attributes:
        sha256: digest of its content, lower-case hexadecimal.
        bytes: its size.
    """

    sha256: str
    bytes: int


@dataclass(frozen=True, config=STRICT)
class Tensor:
    """An input or output of the model.

    Attributes:
        name: the tensor's name in the graph.
        dtype: its datatype, for example ``FP32``.
        shape: sizes by axis; a name such as ``batch`` stands for an axis of any size.
    """

    name: str
    dtype: Datatype
    shape: tuple[int | str, ...]


@dataclass(frozen=True, config=STRICT)
class Signature:
    """What goes into the model and what comes out, in order."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, config=STRICT)
class Artefact:
    """What ``artefact.json`` says, once all of it has been found true.

    Attributes:
        name: the model; also the name of the folder above.
        version: the version; also the name of the folder. A version never changes once it is there.
        format: what the weights are stored as.
        license: SPDX expression of the weights.
        provenance: where the weights come from and what they were trained on.
        made_by: the command that makes the artefact again.
        files: every file of the folder but the manifest, by name.
        signature: inputs and outputs.
        preprocess: parameters that the model's own code reads.
        labels: the file with one class a line, for a classifier.
        metrics: quality as measured when the artefact was made.
    """

    name: str
    version: str
    format: Literal["onnx", "safetensors"]
    license: str
    provenance: str
    made_by: str
    files: dict[str, File]
    signature: Signature
    preprocess: dict[str, Any]
    labels: str | None
    metrics: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read and verify the artefact in ``<store>/<name>/<version>/``.

        Raises:
            ArtefactError: a file is missing, unlisted, no plain file, of another size or digest, or the manifest is
                unreadable, incomplete or of another model or version.
        """
        manifest = folder / MANIFEST
        _plain(manifest)
        if manifest.stat().st_size > MANIFEST_LIMIT:
            raise ArtefactError(manifest, f"at most {MANIFEST_LIMIT} bytes", f"{manifest.stat().st_size}")
        try:
            artefact = TypeAdapter(cls).validate_json(manifest.read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise ArtefactError(manifest, "a complete manifest", f"{where}: {first['msg']}") from None
        artefact._verify(folder)
        return artefact

    @classmethod
    def write(
        cls,
        folder: Path,
        files: Mapping[str, bytes | Path],
        *,
        format: Literal["onnx", "safetensors"],
        license: str,
        provenance: str,
        made_by: str,
        signature: Signature,
        preprocess: Mapping[str, Any],
        labels: str | None = None,
        metrics: Mapping[str, Any],
    ) -> Self:
        """Make ``<store>/<name>/<version>/`` appear, complete or not at all.

        Args:
            folder: where; its last two parts are the model's name and version.
            files: content by name, or a file to copy it from.
            format: as the attributes of the same names, like all that follow.

        Raises:
            ArtefactError: the version exists already, or a file's name or kind is not allowed.
        """
        if folder.exists():
            raise _taken(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.with_name(f".{folder.name}.{os.getpid()}")
        partial.mkdir()
        try:
            for name, content in files.items():
                _check_name(folder, name)
                if isinstance(content, Path):
                    shutil.copyfile(content, partial / name)
                else:
                    (partial / name).write_bytes(content)
            artefact = cls(
                name=folder.parent.name,
                version=folder.name,
                format=format,
                license=license,
                provenance=provenance,
                made_by=made_by,
                files={name: _measure(partial / name) for name in sorted(files)},
                signature=signature,
                preprocess=dict(preprocess),
                labels=labels,
                metrics=dict(metrics),
            )
            (partial / MANIFEST).write_text(json.dumps(asdict(artefact), indent=2) + "\n", encoding="utf-8")
            artefact._verify(folder, at=partial)
            try:
                partial.rename(folder)
            except OSError:
                # Another writer was first: a rename never replaces a folder that has files in it.
                raise _taken(folder) from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return artefact

    def graph(self, folder: Path) -> Path:
        """The file that an engine runs."""
        return folder / next(name for name in self.files if name.endswith(".onnx"))

    def classes(self, folder: Path) -> list[str]:
        """The labels in the artefact's folder, in the order of the model's outputs.

        Raises:
            ArtefactError: there are none: this is no classifier.
        """
        if self.labels is None:
            raise ArtefactError(folder / MANIFEST, "labels", "a model without", "Serve a classifier with this app.")
        return (folder / self.labels).read_text(encoding="utf-8").splitlines()

    def _verify(self, folder: Path, at: Path | None = None) -> None:
        """Compare the folder, which may still lie ``at`` another place, with the manifest."""
        at = at or folder
        manifest = folder / MANIFEST
        if (self.name, self.version) != (folder.absolute().parent.name, folder.name):
            raise ArtefactError(
                manifest, f"{folder.absolute().parent.name} {folder.name}", f"{self.name} {self.version}"
            )
        if self.labels is not None and self.labels not in self.files:
            raise ArtefactError(manifest, "labels to name a listed file", repr(self.labels))
        if not any(Path(name).suffix == f".{self.format}" for name in self.files):
            raise ArtefactError(manifest, f"a .{self.format} file", f"{sorted(self.files)}")
        for name in self.files:
            _check_name(folder, name)
            _plain(at / name)
        for entry in sorted(at.iterdir()):
            if entry.name != MANIFEST and entry.name not in self.files:
                raise ArtefactError(entry, "only files that the manifest lists", "one that it does not")
        for name, listed in self.files.items():
            found = _measure(at / name)
            if found.bytes != listed.bytes:
                raise ArtefactError(folder / name, f"{listed.bytes} bytes", f"{found.bytes}")
            if found.sha256 != listed.sha256:
                raise ArtefactError(folder / name, f"SHA-256 {listed.sha256}", found.sha256)


def _plain(file: Path) -> None:
    try:
        mode = file.lstat().st_mode
    except FileNotFoundError:
        raise ArtefactError(file, "a file", "none") from None
    if not stat.S_ISREG(mode):
        # A link could point at other bytes after they were verified.
        raise ArtefactError(file, "a plain file", "a link" if stat.S_ISLNK(mode) else "something else")


def _check_name(folder: Path, name: str) -> None:
    if not FILE_NAME.fullmatch(name) or Path(name).suffix not in SUFFIXES or name == MANIFEST:
        allowed = f"a plain name that ends in {', '.join(sorted(SUFFIXES))}"
        raise ArtefactError(folder / MANIFEST, allowed, repr(name), "Store weights as ONNX or safetensors.")


def _measure(file: Path) -> File:
    with file.open("rb") as stream:
        return File(sha256=hashlib.file_digest(stream, "sha256").hexdigest(), bytes=file.stat().st_size)


def _taken(folder: Path) -> ArtefactError:
    return ArtefactError(folder, "a new version", "one that is there already", "A version never changes: give another.")
