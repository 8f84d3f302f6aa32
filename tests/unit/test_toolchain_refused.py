"""Folders that are closed, full or none: a sentence says which, whose, and what to do; our own mistakes still show."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolchain import cli, places, setup
from toolchain.progress import failure

NOBODY = 65534


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder in an open one, closed to us: root, to whom nothing is closed, is somebody else meanwhile."""
    us = os.geteuid()
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above, "closed")
        folder.mkdir(mode=0o555)
        if us == 0:
            os.chown(above, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        yield folder
        os.seteuid(us)


@pytest.fixture(autouse=True)
def _without_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    """What is wrong, and what to do."""
    assert cli.main(list(arguments)) == 1
    wrong, remedy = capsys.readouterr().err.strip().split("\n  ")
    return wrong, remedy


def check_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the checkout there."""
    for name, place in (("CHECKOUT", folder), ("DATA", folder / ".modelserve"), ("VENV", folder / ".venv")):
        monkeypatch.setattr(places, name, place)


def fail(error: OSError) -> bool:
    raise error


def test_a_cache_of_somebody_else_s_is_named(
    closed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELSERVE_CACHE", str(closed / "cache"))
    wrong, remedy = told(capsys, "install", "uv")
    assert f"{closed / 'cache'}" in wrong
    assert "Permission denied" in wrong
    assert remedy == "Have it given to you, or set MODELSERVE_CACHE to a folder of yours."


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_it_is_said_whose_it_is(
    closed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELSERVE_CACHE", str(closed))
    assert told(capsys, "install", "uv")[0].endswith(f"{closed} belongs to root, and you are nobody.")


@pytest.mark.parametrize("place", ["/proc/modelserve", "/etc/passwd/cache"], ids=["no place", "a file above"])
def test_a_cache_that_cannot_be_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    monkeypatch.setenv("MODELSERVE_CACHE", place)
    wrong, remedy = told(capsys, "install", "uv")
    assert wrong.startswith(place.removesuffix("/cache"))
    assert "set MODELSERVE_CACHE to a folder of yours" in remedy


def test_a_checkout_that_is_closed_is_named(
    closed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check_out(closed, monkeypatch)
    monkeypatch.setattr(setup, "_is_current", lambda: False)
    wrong, remedy = told(capsys, "setup")
    assert f"{closed / '.modelserve'} cannot be used: Permission denied" in wrong
    assert remedy == "Have it given to you, or clone the project into a folder of yours."


def test_a_file_system_that_is_only_read_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = OSError(errno.EROFS, os.strerror(errno.EROFS), str(places.CHECKOUT / ".venv"))
    monkeypatch.setattr(cli, "setup", lambda: fail(refusal))
    assert "Read-only file system" in told(capsys, "setup")[0]


@pytest.mark.parametrize("full", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_or_quota_is_told_with_the_room_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], full: int
) -> None:
    monkeypatch.setattr(cli, "setup", lambda: fail(OSError(full, os.strerror(full))))
    wrong, remedy = told(capsys, "setup")
    assert f"({places.cache()})" in wrong
    assert "MODELSERVE_CACHE or TMPDIR" in remedy


def test_a_file_of_ours_that_is_missing_is_our_mistake_and_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        cli, "setup", lambda: fail(FileNotFoundError(errno.ENOENT, "none", str(places.LOCKS / "x.txt")))
    )
    with pytest.raises(FileNotFoundError):
        cli.main(["setup"])


def test_a_tool_that_was_refused_says_which_folder_is_closed(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSERVE_CACHE", str(closed.parent / "cache"))
    check_out(closed.parent / "checkout", monkeypatch)
    monkeypatch.setenv("UV_CACHE_DIR", str(closed / "uv"))
    said = failure(["uv", "pip", "sync"], 2, "error: Failed to initialize cache: Permission denied (os error 13)")
    assert f"{closed / 'uv'} cannot be used: not writable" in said
    assert "set UV_CACHE_DIR to a folder of yours" in said


def test_a_tool_that_was_refused_something_else_says_it_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    said = failure(["uv", "pip", "sync"], 2, "first\nerror: Permission denied by the index")
    assert said.splitlines()[1:] == ["    first", "    error: Permission denied by the index"]
