"""The folders of a local stack: private, and refused where they could not work."""

import stat
from pathlib import Path

import pytest

from infra.local.home import Home, LocalError, write_private


def test_folders_are_open_to_their_owner_alone(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "local"))
    home.make()
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (home.run, home.log, home.data, home.secrets)} == {0o700}


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"(?s)too long for the Unix socket.*Move the checkout"):
        Home(str(tmp_path / ("x" * 90))).make()


@pytest.mark.parametrize("odd", ["a #b", "a ;b", "100%", "a:b"])
def test_a_path_that_would_be_misread_is_refused(odd: str) -> None:
    with pytest.raises(LocalError, match="Move the checkout"):
        Home(f"/tmp/{odd}").make()  # noqa: S108 - nothing is made there


def test_a_private_file_is_never_open_to_others(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, "new")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == "new"
