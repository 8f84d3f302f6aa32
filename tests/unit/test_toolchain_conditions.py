"""What is refused before anything is installed: machines without packages, paths that could not work."""

import os
import platform
import sys
from pathlib import Path

import pytest

from toolchain import cli, conditions, places


@pytest.fixture(autouse=True)
def _nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "setup", lambda: pytest.fail("installed something"))


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """What a set-up says that is refused: what is wrong, and below it what to do."""
    assert cli.main(["setup"]) == 1
    wrong, remedy = capsys.readouterr().err.strip().split("\n  ")
    assert remedy.endswith(".")
    return wrong


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "runs on Linux; here is darwin" in refused(capsys)


def test_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert "packages for x86_64 and aarch64; here is riscv64" in refused(capsys)


def test_an_old_c_library_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "confstr", lambda _: "glibc 2.28")
    assert "glibc 2.31 or newer is needed; here is 2.28" in refused(capsys)


def test_a_newer_c_library_is_told_from_an_older_one_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr", lambda _: "glibc 2.100")
    assert conditions.of_machine() == ""


def test_another_c_library_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def unknown(_: str) -> str:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "confstr", unknown)
    assert "this system has another C library (Alpine: musl)" in refused(capsys)


@pytest.mark.parametrize("odd", ["a:b", "100%", "a #b"])
def test_a_checkout_with_a_mark_in_its_path_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], odd: str
) -> None:
    monkeypatch.setattr(places, "DATA", Path("/srv", odd, ".modelserve"))
    assert "takes for the end of a path" in refused(capsys)


def test_a_checkout_too_deep_for_a_socket_is_told_by_how_much(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    longest = 100 - len("/.modelserve/local/run/supervisor.sock")
    assert conditions.of_stack(f"/{'d' * (longest - 1)}/.modelserve/local") == ""
    monkeypatch.setattr(places, "DATA", Path(f"/{'d' * (longest + 2)}/.modelserve"))
    assert "too long for the Unix socket in it: 3 bytes over" in refused(capsys)


def test_a_cache_with_a_colon_in_its_path_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELSERVE_CACHE", "/srv/a:b")
    assert "The cache /srv/a:b has ':' in its path" in refused(capsys)


def test_a_checkout_with_a_space_in_its_path_is_fine() -> None:
    assert conditions.of_stack("/srv/my models/.modelserve/local") == ""
