"""What all tests share."""

import asyncio

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one option of the benchmarks."""
    parser.addoption("--record", action="store_true", help="keep what benchmarks measured in docs/benchmarks.md")


@pytest.fixture(autouse=True)
def _event_loop() -> None:
    """Have a current event loop, which the Pulumi SDK asks for and tests with loops of their own take away."""
    try:
        asyncio.get_event_loop()
    except RuntimeError:
        asyncio.set_event_loop(asyncio.new_event_loop())
