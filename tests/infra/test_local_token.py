"""The token of reloads: made once, there as long as its resource is, and in no state."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.local.home import Home
from infra.local.token import ReloadTokenProvider, token_file


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path / "local"))


def up(home: Home, was: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the engine does, in its order: one that replaces another is made before that is deleted."""
    provider, told = ReloadTokenProvider(), {"home": home.root}
    if was is None:
        return provider.create(told).outs or {}
    found = provider.diff("reload-token", was, told)
    if not found.changes:
        return was
    if not found.replaces:
        return provider.update("reload-token", was, told).outs or {}
    now = provider.create(told).outs or {}
    provider.delete("reload-token", was)
    return now


def test_a_token_stays_as_it_is(home: Home) -> None:
    was = up(home)
    token = token_file(home).read_text()
    assert up(home, was) == was
    assert token_file(home).read_text() == token


def test_a_token_that_was_deleted_is_made_again(home: Home) -> None:
    was = up(home)
    token_file(home).unlink()
    assert up(home, was) == was
    assert token_file(home).read_text().strip()


def test_a_token_moves_with_its_home(home: Home, tmp_path: Path) -> None:
    was, other = up(home), Home(str(tmp_path / "other"))
    assert up(other, was)["file"] == str(token_file(other))
    assert token_file(other).exists()
    assert not token_file(home).exists()


def test_the_token_is_in_no_state(home: Home) -> None:
    told = up(home)
    assert token_file(home).read_text().strip() not in json.dumps(told)
