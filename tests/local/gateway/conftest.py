"""One gateway for the tests of a file, and apps that end with their test."""

from collections.abc import Iterator

import pytest

from tests.local.gateway.running import Gateway, Make
from tests.local.gateway.upstream import Upstream


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("gw"))
    yield gateway
    gateway.end()


@pytest.fixture
def upstream() -> Iterator[Make]:
    made: list[Upstream] = []

    def make() -> Upstream:
        made.append(Upstream())
        return made[-1]

    yield make
    for each in made:
        each.release()
        each.kill()
