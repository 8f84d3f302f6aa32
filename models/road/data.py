"""The data zip: pictures in a folder a label. Made and put into the store: ``python -m models.road.data --help``."""

import argparse
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

from models.pictures import PictureError, Pixels, decode
from models.road import LABELS
from models.road.camera import TRAINING
from models.road.draw import draw
from models.road.objects import add_arguments, places
from models.store import StoreError

COUNT, SEED = 4000, 1

MEMBER = re.compile(rf"({'|'.join(LABELS)})/[A-Za-z0-9][A-Za-z0-9_-]{{0,63}}\.jpe?g")
"""What a zip may hold, and so nothing that leads out of a folder."""

FILES, FILE_BYTES, TOTAL_BYTES = 200_000, 4 << 20, 8 << 30
"""Most of what is unpacked: pictures of a phone, and a disc's worth of them."""

MADE = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can say: the same pictures make the same bytes."""


class DataError(Exception):
    """A data zip that is not taken; the message says why and what to do."""


def make(file: Path, count: int = COUNT, seed: int = SEED) -> Iterator[int]:
    """Draw pictures into a zip that appears when it is whole; yields how many there are.

    Args:
        file: the zip.
        count: of pictures, half of them wet.
        seed: of the pictures; another one than that of the held-out ones.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for index in range(count):
                picture = draw(TRAINING, seed, index)
                member = zipfile.ZipInfo(f"{LABELS[picture.label]}/{index:06}.jpg", MADE)
                archive.writestr(member, picture.jpeg)
                yield index + 1
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def unpack(file: Path, folder: Path) -> Path:
    """The pictures of a data zip in a folder, which appears when all are there.

    Args:
        file: the zip, of which nothing is believed.
        folder: where; left as it is when it is there.

    Raises:
        DataError: it is no zip, or holds anything but pictures in folders named by label, or more than may be.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with zipfile.ZipFile(file) as archive:
            _unpack(archive, partial)
        partial.rename(folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise
        raise DataError(f"{file} cannot be unpacked: {error}.\n  Make one: python -m models.road.data --help") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    members = archive.infolist()
    if len(members) > FILES:
        raise DataError(f"{archive.filename} has {len(members)} files; at most {FILES} are taken.")
    left = TOTAL_BYTES
    for label in LABELS:
        (folder / label).mkdir()
    for member in members:
        if member.filename in {f"{label}/" for label in LABELS}:
            continue
        mode = member.external_attr >> 16
        if not MEMBER.fullmatch(member.filename) or (mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG}):
            raise DataError(
                f"{archive.filename} has {member.filename[:100]!r}, which is not taken.\n"
                f"  It may have {' and '.join(f'{label}/NAME.jpg' for label in LABELS)}, and no links."
            )
        place = folder / member.filename
        if place.exists():
            raise DataError(f"{archive.filename} has {member.filename} twice.\n  Give each picture a name of its own.")
        # A header may lie about the size: what counts is what comes out.
        with archive.open(member) as packed:
            content = packed.read(min(FILE_BYTES, left) + 1)
        left -= len(content)
        if len(content) > FILE_BYTES or left < 0:
            raise DataError(
                f"{archive.filename} unpacks to more than is taken, at {member.filename}:\n"
                f"  a picture may have {FILE_BYTES >> 20} MiB, all together {TOTAL_BYTES >> 30} GiB."
            )
        place.write_bytes(content)


def pictures(folder: Path) -> list[tuple[Path, int]]:
    """Every picture of an unpacked zip with its label's index, in an order that depends on their names alone.

    Raises:
        DataError: a label has none.
    """
    found = [(file, label) for label, name in enumerate(LABELS) for file in (folder / name).glob("*.jp*g")]
    if missing := [name for label, name in enumerate(LABELS) if all(label != other for _, other in found)]:
        raise DataError(f"{folder} has no pictures of {' or '.join(missing)}.\n  Both are needed to tell them apart.")
    return sorted(found, key=lambda each: (each[0].name, each[1]))


def pixels(file: Path) -> Pixels:
    """A picture of an unpacked zip.

    Raises:
        DataError: it is none.
    """
    try:
        return decode(file.read_bytes())
    except PictureError as error:
        raise DataError(f"{file.parent.name}/{file.name}: {error}") from None


def main() -> None:
    """Make a data zip; put it into the store where one is given."""
    parser = argparse.ArgumentParser(prog="python -m models.road.data", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the zip to make, or to put where it is there")
    parser.add_argument("--count", type=int, default=COUNT, help=f"pictures, half of them wet ({COUNT})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the pictures ({SEED})")
    add_arguments(parser, required=False)
    given = parser.parse_args()
    if not given.out.exists():
        for done in make(given.out, given.count, given.seed):
            if done % 500 == 0:
                print(f"{done}/{given.count}", flush=True)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.1f} MB")
    if given.source_data_bucket:
        try:
            print(f"Put into {places(given).put_data(given.out)}")
        except StoreError as error:
            parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
