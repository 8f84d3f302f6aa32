"""What supervisord starts: becomes one worker of a program, with the environment it was given and no other.

Runs as a script without site-packages (``python -I -S launch.py PROGRAM.json WORKER``): every start waits for it.
A record of the process stays beside the program, so that it can be told from others should its supervisor be killed.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
"""What a process keeps of the user's environment; Pulumi's own has the state's passphrase in it."""

FILES = 65536
"""Descriptors a process may open, where the machine's hard limit is not lower."""


def record(program: Path, worker: int) -> Path:
    """Where the process of a worker is written down."""
    return program.with_suffix(f".{worker}.pid")


def main(program: Path, worker: int) -> None:
    """Become worker number ``worker`` of the program described in the file ``program``."""
    told = json.loads(program.read_text())
    note = record(program, worker)
    starts = json.loads(note.read_text())["starts"] if note.exists() else 0
    new = note.with_suffix(".new")
    new.write_text(json.dumps({"pid": os.getpid(), "created": time.time(), "starts": starts + 1}))
    new.replace(note)

    environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | told["environment"]
    if told["ports"]:
        environment["PORT"] = str(told["ports"][worker])
    # A gateway holds two descriptors a request; the usual soft limit of 1,024 is for programs that call select().
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    os.chdir(told["directory"])
    os.execvpe(told["command"][0], told["command"], environment)  # noqa: S606 - the point of this program


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]))
    except OSError as error:
        sys.exit(f"cannot start {sys.argv[1]}: {error}")
