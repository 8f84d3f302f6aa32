"""Where the app of images finds its database."""

from pathlib import Path
from typing import Any

import pytest

from apps.images.app import Settings, create
from apps.runtime.settings import SettingsError


def settings(tmp_path: Path, **more: Any) -> Settings:
    return Settings(mode="dummy", object_store_url=tmp_path.as_uri(), **more)


def test_the_databases_url_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://images:secret@database.example/images\n")
    assert create(settings(tmp_path, database_url_file=file))


def test_a_file_with_a_wrong_url_does_not_show_it(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("mysql://images:secret@database.example/images")
    with pytest.raises(SettingsError, match="mysql://; give one of") as refused:
        create(settings(tmp_path, database_url_file=file))
    assert "secret" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere: No such file or directory"):
        create(settings(tmp_path, database_url_file=tmp_path / "nowhere"))


def test_without_any_the_message_names_both(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL_FILE"):
        create(settings(tmp_path))
