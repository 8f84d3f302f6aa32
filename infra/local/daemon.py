"""Starting and ending supervisord itself: one a checkout, outliving the command that starts it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from infra.local import launch, orphans
from infra.local.home import Home, LocalError, write_private
from infra.local.supervisord import Supervisord

START_S = 15
"""supervisord needs 0.3 s on an idle machine."""

PATIENCE_S = 60
"""How long ``shut_down`` waits beyond the programs' own drain times."""


def ensure(home: Home, say: Callable[[str], None]) -> int:
    """Have supervisord running, with every program that it was running when it was last seen; returns its pid.

    Processes left over by a supervisor that was killed are stopped first: nobody watches them, and nobody could.

    Raises:
        LocalError: it does not start; says why.
    """
    supervisord = Supervisord(home)
    if supervisord.alive():
        return int(supervisord.call("getPID"))
    home.make()
    _end_unreachable(home)
    for name in supervisord.programs():
        program = supervisord.told(name)
        if program is not None and orphans.stop(supervisord.program_file(name), program.stop_signal, program.drain_s):
            say(f"stopped {name}, which had lost its supervisor; it starts again")
    write_private(home.run / "supervisord.conf", _configured(home))
    (home.run / "conf.d").mkdir(mode=0o700, exist_ok=True)
    started = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(home.run / "supervisord.conf")],
        cwd=home.run,
        env={name: os.environ[name] for name in launch.INHERITED if name in os.environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    deadline = time.monotonic() + START_S
    while started.returncode == 0 and time.monotonic() < deadline:
        if supervisord.alive():
            return int(supervisord.call("getPID"))
        time.sleep(0.02)
    raise LocalError(
        f"supervisord did not start: {started.stderr.strip() or f'no answer within {START_S} s'}\n"
        f"  See {home.log / 'supervisord.log'}."
    )


def shut_down(home: Home, say: Callable[[str], None]) -> None:
    """Stop every program that is left, then supervisord; the folder of run files goes with it."""
    supervisord = Supervisord(home)
    for name in supervisord.programs():
        supervisord.stop(name, say)
    if supervisord.alive():
        process = psutil.Process(int(supervisord.call("getPID")))
        supervisord.call("shutdown")
        orphans.wait([process], PATIENCE_S)
    _end_unreachable(home)
    shutil.rmtree(home.run, ignore_errors=True)


def _end_unreachable(home: Home) -> None:
    """End a supervisord of this checkout that does not answer, for instance because its socket was deleted."""
    try:
        process = psutil.Process(int((home.run / "supervisord.pid").read_text()))
        ours = str(home.run / "supervisord.conf") in process.cmdline()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return
    if ours:
        process.terminate()
        process.resume()  # one that was suspended takes notice only then
        orphans.wait([process], PATIENCE_S)


def _configured(home: Home) -> str:
    return f"""\
[unix_http_server]
file={home.run}/supervisor.sock
chmod=0600

[supervisord]
directory={home.run}
pidfile={home.run}/supervisord.pid
logfile={home.log}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=2
childlogdir={home.log}
nocleanup=true
umask=077

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[include]
files=conf.d/*.conf
"""
