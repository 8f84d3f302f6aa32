"""One API server for all the tests that talk to it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.capture import CaptureManager

from tests.cluster.api import Api
from tests.cluster.apiserver import running
from toolchain import crds, tools
from toolchain.progress import ToolchainError
from toolchain.tool import ensure


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the server before the first test that asks for it: building takes longer than any test may."""
    if session.config.option.collectonly or not any(item.get_closest_marker("cluster") for item in session.items):
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    assert isinstance(capture, CaptureManager)
    try:
        # Whoever waits for minutes sees what for.
        with capture.global_and_fixture_disabled():
            ensure(tools.ETCD)
            ensure(tools.KUBE_APISERVER)
            crds.ensure()
    except ToolchainError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    """The server; custom kinds are defined when first asked for."""
    with tempfile.TemporaryDirectory(prefix="kube") as folder, running(Path(folder)) as api:
        yield api
