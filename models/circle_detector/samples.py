"""Writes held-out drawn pictures as files: ``python -m models.circle_detector.samples FOLDER [COUNT]``."""

import sys
from pathlib import Path

from PIL import Image

from models.circle_detector.draw import HELD_OUT, draw
from models.circle_detector.evaluate import SIZES

COUNT = 1000


def write(folder: Path, count: int) -> None:
    """Write so many PNG files, named by their index."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        height, width = SIZES[index % len(SIZES)]
        Image.fromarray(draw(HELD_OUT, index, height, width).pixels).save(folder / f"{index:05}.png")


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else COUNT)
