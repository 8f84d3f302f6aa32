"""How a tool comes to be there: PATH, cache, then its sources in order; never one of the wrong version or content."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from toolchain import store
from toolchain.progress import ToolchainError, UnavailableError, failure, run
from toolchain.tool import Tool, at_least, ensure, exactly


class Source:
    """Makes a program that says its version, and counts how often it was asked."""

    def __init__(self, version: str, reason: str | None = None) -> None:
        self.version, self.reason, self.asked = version, reason, 0

    def obtain(self, name: str, binaries: tuple[str, ...], folder: Path) -> None:
        self.asked += 1
        if self.reason:
            raise UnavailableError(self.reason)
        for binary in binaries:
            program(folder / "bin" / binary, self.version)


def program(file: Path, version: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho {file.name} version {version}\n")
    file.chmod(0o755)
    return file


def tool(*sources: Source, accepts: Callable[[str], bool] = exactly("1.2.3")) -> Tool:  # noqa: B008 (a pure function)
    return Tool("sieve", ("sieve", "colander"), accepts, sources)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELSERVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return tmp_path / "cache"


def test_a_tool_on_path_is_used(cache: Path, tmp_path: Path) -> None:
    for name in ("sieve", "colander"):
        program(tmp_path / "bin" / name, "1.2.3")
    source = Source("1.2.3")
    assert ensure(tool(source)) == tmp_path / "bin"
    assert source.asked == 0


def test_a_link_on_path_leads_to_where_the_tool_is(cache: Path, tmp_path: Path) -> None:
    for name in ("sieve", "colander"):
        program(tmp_path / "opt" / name, "1.2.3")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sieve").symlink_to(tmp_path / "opt" / "sieve")
    assert ensure(tool()) == tmp_path / "opt"


def test_another_version_on_path_is_ignored(cache: Path, tmp_path: Path) -> None:
    for name in ("sieve", "colander"):
        program(tmp_path / "bin" / name, "1.2.4")
    assert ensure(tool(Source("1.2.3"))) == cache / "sieve-1.2.3" / "bin"


def test_a_tool_on_path_without_its_companions_is_ignored(cache: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "sieve", "1.2.3")
    assert ensure(tool(Source("1.2.3"))) == cache / "sieve-1.2.3" / "bin"


def test_a_tool_is_made_once(cache: Path) -> None:
    source = Source("1.2.3")
    assert ensure(tool(source)) == ensure(tool(source))
    assert source.asked == 1


def test_a_source_that_is_closed_gives_way_to_the_next(cache: Path) -> None:
    ensure(tool(closed := Source("", reason="no route"), Source("1.2.3"), never := Source("1.2.3")))
    assert (closed.asked, never.asked) == (1, 0)


def test_why_a_source_gave_way_is_said_when_it_does(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ensure(tool(Source("", reason="no route"), Source("1.2.3")))
    assert capsys.readouterr().err.splitlines()[0] == "  no route"


def test_a_source_that_gives_another_version_gives_way_to_the_next(cache: Path) -> None:
    assert ensure(tool(Source("1.3.0"), Source("1.2.3"))) == cache / "sieve-1.2.3" / "bin"
    assert not (cache / "sieve-1.3.0").exists()


def test_the_error_says_why_each_source_is_closed(cache: Path) -> None:
    with pytest.raises(ToolchainError, match=r"(?s)sieve cannot be had.*no route.*no digest.*put it on PATH"):
        ensure(tool(Source("", reason="no route"), Source("", reason="no digest")))


def test_a_broken_tool_in_the_cache_is_made_again(cache: Path) -> None:
    folder = ensure(tool(Source("1.2.3")))
    (folder / "colander").unlink()
    assert ensure(tool(source := Source("1.2.3"))) == folder
    assert source.asked == 1


def test_a_half_made_tool_is_not_used_and_goes_away(cache: Path) -> None:
    for name in ("sieve", "colander"):
        program(cache / ".sieve.killed" / "bin" / name, "1.2.3")
    ensure(tool(source := Source("1.2.3")))
    assert source.asked == 1
    assert sorted(file.name for file in cache.iterdir()) == ["locks", "sieve-1.2.3"]


def test_an_interrupted_build_leaves_nothing(cache: Path) -> None:
    class Interrupted(Source):
        def obtain(self, name: str, binaries: tuple[str, ...], folder: Path) -> None:
            super().obtain(name, binaries, folder)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure(tool(Interrupted("1.2.3")))
    assert [file.name for file in cache.iterdir()] == ["locks"]


def test_folders_that_go_made_read_only_are_removed(tmp_path: Path) -> None:
    module = program(tmp_path / "cache" / "go" / "module" / "file", "1")
    module.parent.chmod(0o555)
    store.remove(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_versions_compare_as_numbers() -> None:
    assert at_least("1.9.0")("1.10.0")
    assert not at_least("1.10.0")("1.9.9")


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("write /tmp/x: no space left on device", "MODELSERVE_CACHE or TMPDIR"),
        ("dial tcp: lookup proxy: no such host", "for a mirror, set PIP_INDEX_URL"),
        ("invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE"),
    ],
)
def test_a_failure_with_a_usual_cause_says_what_to_do(written: str, advice: str) -> None:
    assert advice in failure(["go", "build"], 1, written)


def test_a_failed_command_shows_its_last_words() -> None:
    with pytest.raises(ToolchainError, match=r"sh -c .* ended with status 3:\n    it is broken$"):
        run(["sh", "-c", "echo it is broken; exit 3"])
