"""What goes into a container image, and a digest of it that is the same on every machine."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class BuildContext:
    """A folder that an image is built from, as far as ``.dockerignore`` in it lets the build see it.

    Attributes:
        folder: the context's root.
        dockerfile: the recipe's path in it.
    """

    folder: Path
    dockerfile: str

    def files(self) -> list[str]:
        """Paths of the files that the build sees, sorted. The recipe is read apart and need not be among them."""
        lines = (line.strip() for line in (self.folder / ".dockerignore").read_text().splitlines())
        rules = [_Rule(line) for line in lines if line and not line.startswith("#")]
        return sorted(path for path in _below(self.folder, rules) if not _ignored(path, rules))

    def digest(self, *more: str) -> str:
        """SHA-256, in hexadecimal, of the files' names, content and executable bits, of the recipe and of ``more``.

        Times, owners and the other permissions differ from checkout to checkout and are not in it.
        """
        digest = hashlib.sha256("\0".join(more).encode())
        for path in [self.dockerfile, *self.files()]:
            kind, content = _content(self.folder / path)
            digest.update(f"\0{path}\0{kind}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()


@dataclass(frozen=True)
class _Rule:
    """A line of ``.dockerignore``: ``*`` and ``?`` stay within a folder, ``**`` crosses any number of them."""

    line: str

    @property
    def readmits(self) -> bool:
        return self.line.startswith("!")

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        parts = re.split(r"(\*\*/|\*\*|\*|\?)", self.line.removeprefix("!").strip("/"))
        return re.compile("".join(wild.get(part) or re.escape(part) for part in parts))


def _ignored(path: str, rules: list[_Rule]) -> bool:
    """Whether the last rule that matches the path, or a folder above it, leaves it out."""
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    matching = [rule for rule in rules if any(rule.pattern.fullmatch(each) for each in above)]
    return bool(matching) and not matching[-1].readmits


def _below(folder: Path, rules: list[_Rule]) -> Iterator[str]:
    """Paths of files, without those in folders of which nothing can be taken back in: environments have 50,000."""
    doors = {rule.line[1:].strip("/").split("/")[0] for rule in rules if rule.readmits}
    for root, folders, files in os.walk(folder):
        at = Path(root).relative_to(folder)
        if at == Path() and "**" not in doors:
            folders[:] = [name for name in folders if name in doors or not _ignored(name, rules)]
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        yield from ((at / name).as_posix() for name in [*files, *links])


def _content(file: Path) -> tuple[str, bytes]:
    if file.is_symlink():
        return "link", os.fsencode(file.readlink())
    return "program" if file.stat().st_mode & stat.S_IXUSR else "file", file.read_bytes()
