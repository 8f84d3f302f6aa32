"""One running platform for all the tests that only look at it, and pictures to send to it."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.local.platform import Platform, free_ports


def jpeg(pixels: np.ndarray) -> bytes:
    """A picture as a camera would send it."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=92)
    return stream.getvalue()


@pytest.fixture(scope="session")
def coins() -> bytes:
    """24 Greek coins from Pompeii, which the detector never saw while it learned."""
    return jpeg(data.coins())


@pytest.fixture(scope="session")
def coffee() -> bytes:
    """A cup of espresso."""
    return jpeg(data.coffee())


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that is up; everything of it is gone afterwards, whatever the tests did to it."""
    with checkout(tmp_path_factory.mktemp("p")).up_meanwhile() as made:
        yield made


def checkout(folder: Path) -> Platform:
    """A checkout of its own, nothing deployed yet."""
    gateway, prometheus = free_ports(2)
    return Platform(folder, gateway, prometheus)
