"""Official archives: taken when their bytes are the published ones, and done without where they cannot be had."""

import errno
import hashlib
import os
import platform
import socket
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from toolchain import sources, tools
from toolchain.golang import GoModule
from toolchain.progress import UnavailableError
from toolchain.sources import Download, platform_name
from toolchain.tool import Tool, ensure, exactly

ARCHIVE = "sieve-v1.2.3-linux-x64.tar.gz"
PROGRAMS = ("sieve", "sieve-language-python")


class Host:
    """Answers every request with the same bytes.

    Attributes:
        url: where.
        answer: the bytes; empty, and it says nothing at all.
        asked: first lines of the requests.
    """

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def end(self) -> None:
        """Listen no longer."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        quiet: list[socket.socket] = []
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                break
            if not self.answer:
                quiet.append(link)
                continue
            with link:
                self.asked.append(link.recv(65536).decode().splitlines()[0])
                link.sendall(self.answer)
        for link in quiet:
            link.close()


Make = Callable[[bytes], Host]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    hosts: list[Host] = []

    def make(answer: bytes) -> Host:
        hosts.append(Host(answer))
        return hosts[-1]

    yield make
    for each in hosts:
        each.end()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SILENCE_S", 0.2)


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    """A release as it is packed: all in one folder, with more in it than is wanted."""
    (tmp_path / "release").mkdir()
    for name in (*PROGRAMS, "sieve-language-go"):
        (tmp_path / "release" / name).write_text(f"#!/bin/sh\necho the official {name} v1.2.3\n")
    with tarfile.open(tmp_path / ARCHIVE, "w:gz") as members:
        members.add(tmp_path / "release", arcname="sieve")
    return (tmp_path / ARCHIVE).read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "made").mkdir()
    return tmp_path / "made"


def found(body: bytes, length: int | None = None) -> bytes:
    """An answer with a body, of the length that it says or of another."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (length or len(body)) + body


def download(url: str, archive: bytes, beside: tuple[Path, ...] = ()) -> Download:
    """A release of this archive, published at a URL."""
    return Download(url, {platform_name(): (ARCHIVE, hashlib.sha256(archive).hexdigest())}, beside)


def test_the_programs_are_taken_out_of_the_folder_that_they_are_packed_in(
    host: Make, archive: bytes, folder: Path
) -> None:
    at = host(found(archive))
    download(at.url, archive).obtain("sieve", PROGRAMS, folder)
    assert at.asked == [f"GET /{ARCHIVE} HTTP/1.1"]
    assert {file.name: file.stat().st_mode & 0o777 for file in (folder / "bin").iterdir()} == dict.fromkeys(
        PROGRAMS, 0o755
    )


def test_a_program_of_ours_takes_the_place_of_the_official_one(
    host: Make, archive: bytes, folder: Path, tmp_path: Path
) -> None:
    ours = tmp_path / "sieve-language-python"
    ours.write_text("#!/bin/sh\necho ours\n")
    download(host(found(archive)).url, archive, (ours,)).obtain("sieve", PROGRAMS, folder)
    assert (folder / "bin" / ours.name).read_text() == ours.read_text()
    assert "official" in (folder / "bin" / "sieve").read_text()


def test_other_bytes_than_published_are_refused_and_nothing_of_them_is_kept(
    host: Make, archive: bytes, folder: Path
) -> None:
    with pytest.raises(UnavailableError, match=r"REFUSED: .* has SHA-256 \w{64}, published is \w{64}"):
        download(host(found(archive + b"!")).url, archive).obtain("sieve", PROGRAMS, folder)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "cannot be reached: Forbidden"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "cannot be reached: Not Found"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "cannot be reached: SSH-2.0"),
        (found(b"half", length=1000), "ended 996 bytes early"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf", "cannot be reached: Incomplete"),
        (b"", "cannot be reached: timed out"),
    ],
    ids=["proxy refuses", "absent", "no HTTP", "cut in the middle", "chunk cut in the middle", "silent"],
)
@pytest.mark.usefixtures("impatient")
def test_an_archive_that_cannot_be_had_is_done_without(
    host: Make, archive: bytes, folder: Path, answer: bytes, told: str
) -> None:
    with pytest.raises(UnavailableError, match=told):
        download(host(answer).url, archive).obtain("sieve", PROGRAMS, folder)
    assert not list(folder.iterdir())


def test_a_host_that_is_not_there_is_done_without(archive: bytes, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(UnavailableError, match="Connection refused"):
        download(url, archive).obtain("sieve", PROGRAMS, folder)


def test_a_full_disk_is_not_taken_for_a_host_that_is_not_there(
    host: Make, archive: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", partial(Path("/dev/full").open, "r+b", buffering=0))
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        download(host(found(archive)).url, archive).obtain("sieve", PROGRAMS, folder)


def test_what_comes_next_takes_over_from_bytes_that_are_refused(
    host: Make, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Built:
        def obtain(self, name: str, binaries: tuple[str, ...], folder: Path) -> None:
            (folder / "bin").mkdir()
            for binary in binaries:
                (folder / "bin" / binary).write_text("#!/bin/sh\necho built 1.2.3\n")
                (folder / "bin" / binary).chmod(0o755)

    monkeypatch.setenv("MODELSERVE_CACHE", str(tmp_path / "cache"))
    bad = download(host(found(b"a page about this network")).url, archive)
    made = ensure(Tool("sieve", PROGRAMS, exactly("1.2.3"), (bad, Built())))
    assert "built" in (made / "sieve").read_text()


def test_nothing_is_downloaded_for_a_platform_without_a_digest(folder: Path) -> None:
    with pytest.raises(UnavailableError, match="no published digest"):
        Download("http://127.0.0.1:1", {}).obtain("sieve", PROGRAMS, folder)


@pytest.mark.parametrize(("machine", "named"), [("x86_64", "linux-amd64"), ("aarch64", "linux-arm64")])
def test_an_official_prometheus_is_offered_for(monkeypatch: pytest.MonkeyPatch, machine: str, named: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    official = tools.PROMETHEUS.sources[0]
    assert isinstance(official, Download)
    name, digest = official.archives[platform_name()]
    assert name == f"prometheus-{tools.PROMETHEUS_RELEASE}.{named}.tar.gz"
    assert len(bytes.fromhex(digest)) == 32


@pytest.mark.parametrize(("machine", "named"), [("x86_64", "linux-x64"), ("aarch64", "linux-arm64")])
def test_the_engine_of_the_pinned_version_is_offered_for(
    monkeypatch: pytest.MonkeyPatch, machine: str, named: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(sys, "platform", "linux")
    official, built = tools.PULUMI.sources
    assert isinstance(official, Download)
    assert isinstance(built, GoModule)
    assert official.release.endswith(f"/v{tools.PULUMI_VERSION}")
    name, digest = official.archives[platform_name()]
    assert name == f"pulumi-v{tools.PULUMI_VERSION}-{named}.tar.gz"
    assert len(bytes.fromhex(digest)) == 32
    assert official.beside == built.beside
