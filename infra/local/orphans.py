"""Processes whose supervisor was killed: told by pid and time of creation, never by name."""

import json
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil

SAME_PROCESS_S = 5
"""A process's start is known as ticks since a boot time that is rounded to a second and moves with the clock, and a
launcher that is slow to get a core writes its record later. No pid is used again that soon."""

KILL_S = 5
"""Nothing but a hanging disk keeps a killed process longer."""


def recorded(program: Path) -> list[psutil.Process]:
    """The live processes of the program described in this file, by what their launcher wrote down."""
    found: list[psutil.Process] = []
    for note in program.parent.glob(f"{program.stem}.*.pid"):
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            told = json.loads(note.read_text())
            process = psutil.Process(told["pid"])
            if abs(process.create_time() - told["created"]) < SAME_PROCESS_S and not has_ended(process):
                found.append(process)
    return found


def stop(program: Path, stop_signal: Literal["TERM", "INT"], drain_s: float) -> int:
    """Ask the program's processes to stop and kill what has not after ``drain_s``; returns how many there were."""
    processes = recorded(program)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.Signals[f"SIG{stop_signal}"])
    for process in wait(processes, drain_s):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait(processes, KILL_S)
    return len(processes)


def wait(processes: list[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait until processes that are not our children have ended; returns those that have not."""
    deadline = time.monotonic() + timeout_s
    while (late := [process for process in processes if not has_ended(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return late


def has_ended(process: psutil.Process) -> bool:
    """Whether it runs no more. Its new parent may be slow to take notice, so that it is a zombie for some time."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
