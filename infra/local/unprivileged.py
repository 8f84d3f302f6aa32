"""Becomes a command as a user who is not root: ``python -I -S unprivileged.py COMMAND …``.

Postgres refuses to run as root. In a user namespace that gives root an unprivileged id it does not see root, while its
files belong to root outside: no other user needs to reach into the checkout.
"""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
NOBODY = 65534


def main(command: list[str]) -> None:
    """Become ``command``, unprivileged."""
    if os.geteuid() == 0:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
            sys.exit(
                f"{command[0]} does not run as root, and this machine gives root no user namespace "
                f"({os.strerror(ctypes.get_errno())}).\n  Run make up as an ordinary user."
            )
        # The kernel takes a group map only from who has given up setgroups().
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{NOBODY} 0 1")
        Path("/proc/self/gid_map").write_text(f"{NOBODY} 0 1")
    os.execvp(command[0], command)  # noqa: S606 - the point of this program


if __name__ == "__main__":
    main(sys.argv[1:])
