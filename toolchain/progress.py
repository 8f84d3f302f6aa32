"""Tells the user what goes on, for how long, and what to do when it fails."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from toolchain import refused

TICK_S = 1.0
LINE_LIMIT = 200

NO_NETWORK = (
    "could not resolve",
    "name resolution",
    "dns error",
    "no such host",
    "failed to establish a new connection",
    "connection refused",
    "network is unreachable",
    "error sending request",
    "timed out",
)

FULL = ("no space left on device", "disk quota exceeded")
CLOSED = ("permission denied", "operation not permitted", "read-only file system")


class ToolchainError(Exception):
    """Something the user can act on: what was wrong, where, and what to do next."""


class UnavailableError(Exception):
    """One way to a tool is closed here; another may be open."""


@contextmanager
def step(title: str, takes: str = "") -> Iterator[Callable[[str], None]]:
    """Show ``title``, the expected duration, and the time that went by: ticking on a terminal, at the end elsewhere.

    What the block is given tells how far it is: ``40 MB``.
    """
    begun = time.monotonic()
    line = f"{title} ({takes})" if takes else title
    ended = threading.Event()
    so_far = ""

    def reached(what: str) -> None:
        nonlocal so_far
        so_far = f", {what}"

    def tick() -> None:
        while not ended.wait(TICK_S):
            _show(f"\r{line} … {_elapsed(begun)}{so_far}")

    ticking = threading.Thread(target=tick, daemon=True)
    if sys.stderr.isatty():
        _show(line)
        ticking.start()
    else:
        _show(f"{line} …\n")
    outcome = "stopped"
    try:
        yield reached
        outcome = "done"
    except UnavailableError:
        outcome = "not this way"
        raise
    finally:
        ended.set()
        if ticking.is_alive():
            ticking.join()
            _show("\r\033[K")
        _show(f"{title}: {outcome} after {_elapsed(begun)}\n")


def say(message: str) -> None:
    """One line for the user, beside the output that a shell may read."""
    _show(f"{message}\n")


def run(command: list[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, given: str = "") -> str:
    """Run a command that nobody watches, with ``given`` as its input; return its output.

    The command gets a session of its own and is ended with us, however we are ended.

    Raises:
        ToolchainError: it failed; says what it wrote last, and what to do where that is known.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as input_:
        input_.write(given)
        input_.seek(0)
        try:
            child = subprocess.Popen(
                command,
                env=env,
                cwd=cwd,
                stdin=input_,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise absent(command[0]) from None
        try:
            status = child.wait()
        except BaseException:
            end_group(child)
            raise
        output.seek(0)
        written = output.read()
    if status:
        raise ToolchainError(failure(command, status, written))
    return written


def absent(program: str) -> ToolchainError:
    """What to tell about a program that is not there."""
    return ToolchainError(f"{program} is not there.\n  Install it, or put it on PATH.")


def failure(command: list[str], status: int, written: str) -> str:
    """What to tell about a failed command: its last words, and advice for the usual causes."""
    lines = [line[:LINE_LIMIT] for line in written.strip().splitlines()]
    advice = _advice(written.lower())
    last = [f"    {line}" for line in (lines[-1:] if advice else lines[-8:])]
    return "\n".join([f"{' '.join(command[:4])} ended with status {status}:", *last, f"  {advice}"]).rstrip()


def _advice(written: str) -> str:
    if any(sign in written for sign in FULL):
        return refused.disk_full()
    if any(sign in written for sign in CLOSED) and (closed := refused.unwritable()):
        return closed
    if "certificate" in written:
        return NO_TRUST
    return NO_ROUTE if any(sign in written for sign in NO_NETWORK) else ""


NO_ROUTE = (
    "The package index could not be reached. Check the network and HTTPS_PROXY; for a mirror, set PIP_INDEX_URL "
    "(Python packages) and GOPROXY (Go modules)."
)
NO_TRUST = (
    "A server's certificate is not trusted here. Install ca-certificates, or name your organisation's file: "
    "SSL_CERT_FILE (Python packages, Go modules) and PIP_CERT."
)


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End a child that leads its own session, and all that it started; wait until it is gone."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sign)
            child.wait(timeout=5)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _elapsed(begun: float) -> str:
    seconds = int(time.monotonic() - begun)
    return f"{seconds // 60} min {seconds % 60:02} s" if seconds >= 60 else f"{seconds} s"


def _show(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
