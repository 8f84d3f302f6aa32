"""One API server for all the tests that talk to it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.api import Api
from tests.cluster.apiserver import running


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    """The server, with the platform's custom resources defined."""
    with tempfile.TemporaryDirectory(prefix="kube") as folder, running(Path(folder)) as api:
        yield api
