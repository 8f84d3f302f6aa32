"""What machine and paths have to be like, said in a sentence before anything is installed."""

import os
import platform
import sys

from toolchain import places
from toolchain.progress import ToolchainError

MACHINES = ("x86_64", "aarch64")
"""All that is locked has wheels for these."""

GLIBC = (2, 31)
"""Envoy's wheel is made for this version and later ones: Debian 11, Ubuntu 20.04, Fedora 32."""

SOCKET_PATH_LIMIT = 100
"""A Unix socket's path holds 108 bytes on Linux; supervisord needs a few for a temporary name."""

MARKS = (" ;", " #", "%", ":", "\n")
"""supervisord's configuration takes them for its own; PATH and MODEL_STORES are split at a colon."""


def check() -> None:
    """See that what is about to be installed can work here.

    Raises:
        ToolchainError: it cannot; says why, and what to do.
    """
    for why in (of_machine(), of_stack(str(places.DATA / "local")), of_cache(str(places.cache()))):
        if why:
            raise ToolchainError(why)


def of_machine() -> str:
    """Why nothing can be installed on this machine; empty where it can."""
    if sys.platform != "linux":
        return (
            f"This runs on Linux; here is {sys.platform}.\n  Take a Linux machine, a virtual one, or on Windows WSL 2."
        )
    if platform.machine() not in MACHINES:
        return (
            f"There are packages for {' and '.join(MACHINES)}; here is {platform.machine()}.\n  Take another machine."
        )
    needed = ".".join(str(part) for part in GLIBC)
    remedy = "Take Debian 11, Ubuntu 20.04, Fedora 32, or what came after them."
    try:
        found = (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ")
    except (ValueError, OSError):
        return f"glibc {needed} or newer is needed; this system has another C library (Alpine: musl).\n  {remedy}"
    if tuple(int(part) for part in found.split(".")) < GLIBC:
        return f"glibc {needed} or newer is needed; here is {found}.\n  {remedy}"
    return ""


def of_stack(home: str) -> str:
    """Why a local stack cannot have its folder there; empty where it can.

    Args:
        home: ``<checkout>/.modelserve/local``, absolute.
    """
    over = len(os.fsencode(f"{home}/run/supervisor.sock")) - SOCKET_PATH_LIMIT
    if over > 0:
        return (
            f"{home} is too long for the Unix socket in it: {over} bytes over.\n"
            "  Move the checkout to a path that is shorter by as much."
        )
    found = next((mark for mark in MARKS if mark in home), "")
    if found:
        return (
            f"{home!r} has {found!r} in it, which a setting takes for the end of a path.\n"
            "  Move the checkout to a path without ' ;', ' #', '%' and ':'."
        )
    return ""


def of_cache(folder: str) -> str:
    """Why the cache cannot be there; empty where it can."""
    if ":" in folder:
        return (
            f"The cache {folder} has ':' in its path, where MODEL_STORES ends.\n  Set MODELSERVE_CACHE to one without."
        )
    return ""
