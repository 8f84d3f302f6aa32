"""What all tests share."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one option of the benchmarks."""
    parser.addoption("--record", action="store_true", help="keep what benchmarks measured in docs/benchmarks.md")
