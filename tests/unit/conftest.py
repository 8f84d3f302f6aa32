"""A bucket, and an environment that leads to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.bucket import Bucket, written


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
    made = Bucket()
    for name, value in {
        "AWS_ENDPOINT_URL": made.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "right",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "MODELSERVE_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    made.hold(written(tmp_path / "made" / "toy" / "1.0.0"), "artefacts/toy/1.0.0")
    yield made
    made.end()
