"""Processes whose supervisor was killed: told by pid and time of creation, never by name."""

import json
import signal
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil

SAME_PROCESS_S = 5
"""A process's start is known as ticks since a boot time that is rounded to a second and moves with the clock, and a
launcher that is slow to get a core writes its record later. No pid is used again that soon."""


def recorded(program: Path) -> list[psutil.Process]:
    """The live processes of the program described in this file, by what their launcher wrote down."""
    found: list[psutil.Process] = []
    for note in program.parent.glob(f"{program.stem}.*.pid"):
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            told = json.loads(note.read_text())
            process = psutil.Process(told["pid"])
            if (
                process.status() != psutil.STATUS_ZOMBIE
                and abs(process.create_time() - told["created"]) < SAME_PROCESS_S
            ):
                found.append(process)
    return found


def stop(program: Path, stop_signal: Literal["TERM", "INT"], drain_s: float) -> int:
    """Ask the program's processes to stop and kill what has not after ``drain_s``; returns how many there were."""
    processes = recorded(program)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.Signals[f"SIG{stop_signal}"])
    _, late = psutil.wait_procs(processes, timeout=drain_s)
    for process in late:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(late, timeout=5)
    return len(processes)
