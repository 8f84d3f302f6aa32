"""Running, watching and stopping programs through this checkout's supervisord."""

import json
import re
import shlex
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal
from xmlrpc.client import Fault

from supervisor.xmlrpc import Faults  # pyright: ignore[reportMissingTypeStubs]

from infra.local import launch, orphans
from infra.local.control import Control
from infra.local.home import Home, LocalError, write_private

LAUNCHER = Path(launch.__file__)
LOOK_EVERY_S = 0.05
LOG_TAIL_LINES = 12
SAY_EVERY_S = 5

_configuration = threading.Lock()
"""Pulumi's provider works on four resources at a time; supervisord re-reads all of its files for each."""


@dataclass(frozen=True)
class Program:
    """What to run. State, logs and ``ps`` may show all of it: secrets go through files.

    Attributes:
        name: unique in the stack; the name of its files and log.
        command: argument list; the first is looked up on PATH.
        environment: added to the few variables that every process keeps (``launch.INHERITED``).
        directory: working directory.
        ports: one worker is started for each, with ``PORT`` set to it; without any, one worker and no ``PORT``.
        drain_s: how long it may take to stop before it is killed.
        stop_signal: what asks it to stop.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    directory: str = "/"
    ports: tuple[int, ...] = ()
    drain_s: float = 10
    stop_signal: Literal["TERM", "INT"] = "TERM"

    @property
    def workers(self) -> int:
        """How many processes it is."""
        return max(1, len(self.ports))


@dataclass(frozen=True)
class Worker:
    """One process of a program as it is now.

    Attributes:
        state: supervisord's word: STARTING, RUNNING, BACKOFF, FATAL, EXITED, STOPPING or STOPPED; UNSUPERVISED where
            supervisord itself is gone.
        pid: process id; 0 where there is no process.
        starts: how often it was started; 1 means never restarted.
        age_s: how long ago it was started last.
        log: file with its output.
    """

    state: str
    pid: int
    starts: int
    age_s: int
    log: str

    @property
    def up(self) -> bool:
        """Whether there is a process that has not failed."""
        return self.state in ("STARTING", "RUNNING")


class Supervisord:
    """The supervisord of one checkout, reached through its socket.

    Attributes:
        home: folders of the local stack.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self._control = Control(home.socket)

    def call(self, method: str, *args: str | bool) -> Any:  # noqa: ANN401 - XML-RPC answers anything
        """Call supervisord's XML-RPC interface.

        Raises:
            LocalError: nobody answers at the socket, or not in time.
            Fault: supervisord refused.
        """
        return self._control.call(method, *args)

    def alive(self) -> bool:
        """Whether supervisord answers and is not on its way out."""
        try:
            return self.call("getState")["statename"] == "RUNNING"
        except (LocalError, Fault):
            return False

    def program_file(self, name: str) -> Path:
        """Where the program is described; beside it lie the records of its processes."""
        return self.home.run / "programs" / f"{name}.json"

    def programs(self) -> list[str]:
        """The names of all programs that were run and not stopped, whether they live or not."""
        return sorted(file.stem for file in (self.home.run / "programs").glob("*.json"))

    def told(self, name: str) -> Program | None:
        """The program as it was last run; None where it never was, or was stopped."""
        try:
            return _program(self.program_file(name).read_text())
        except FileNotFoundError:
            return None

    def look(self, name: str) -> list[Worker]:
        """The workers of a program as they are now; none where supervisord does not know it."""
        program = self.told(name)
        if program is None:
            return []
        try:
            return [self._worker(program, number) for number in range(program.workers)]
        except LocalError:
            return [Worker("UNSUPERVISED", 0, 0, 0, self.log(program, number)) for number in range(program.workers)]
        except Fault as fault:
            if fault.faultCode != Faults.BAD_NAME:
                raise
            return []

    def run(self, program: Program, ready: Callable[[], bool], timeout_s: float, say: Callable[[str], None]) -> None:
        """Have the program run as described, and wait until it is ready.

        Whatever was before is brought there: a program that is not there is added, one that was described otherwise is
        stopped first, one that failed is started again, and one that runs is only looked at.

        Args:
            program: what to run.
            ready: asked every 50 ms; may raise OSError, which counts as no.
            timeout_s: how long a start may take.
            say: told about waiting that takes longer.

        Raises:
            LocalError: it ended or was not ready in time; says why with the end of its log, which stays. The program is
                then stopped.
        """
        before = self.told(program.name)
        if before is not None and before != program:
            self.stop(program.name, say)
        self._add(program)
        if not all(worker.up for worker in self.look(program.name)):
            self._start(program.name)
        try:
            self._wait_ready(program, ready, timeout_s, say)
        except LocalError:
            self.stop(program.name, say)
            raise

    def stop(self, name: str, say: Callable[[str], None]) -> None:
        """Ask the program to stop, wait until it has, and forget it. One that is not there is fine."""
        program = self.told(name)
        if program is None:
            return
        workers = self.look(name)
        if any(worker.state == "UNSUPERVISED" for worker in workers):
            orphans.stop(self.program_file(name), program.stop_signal, program.drain_s)
        elif workers:
            self.call("stopProcessGroup", name, False)
            _wait(
                lambda: not any(worker.pid for worker in self.look(name)),
                program.drain_s + 10,
                lambda waited: say(f"{name} drains, {waited:.0f} s of {program.drain_s:g} s"),
            )
            self.call("removeProcessGroup", name)
        with _configuration:
            self._conf(name).unlink(missing_ok=True)
            self.program_file(name).unlink(missing_ok=True)
            for note in self.program_file(name).parent.glob(f"{name}.*.pid"):
                note.unlink(missing_ok=True)

    def log(self, program: Program, worker: int) -> str:
        """The file with the output of a worker."""
        return str(self.home.log / (f"{program.name}.log" if program.workers == 1 else f"{program.name}.{worker}.log"))

    def _conf(self, name: str) -> Path:
        return self.home.run / "conf.d" / f"{name}.conf"

    def _add(self, program: Program) -> None:
        with _configuration:
            write_private(self.program_file(program.name), json.dumps(asdict(program)))
            write_private(self._conf(program.name), _configured(program, self.program_file(program.name), self.home))
            self.call("reloadConfig")
            try:
                self.call("addProcessGroup", program.name)
            except Fault as fault:
                if fault.faultCode != Faults.ALREADY_ADDED:
                    raise

    def _start(self, name: str) -> None:
        """Start the workers that do not run, at once also those that wait for their next try."""
        for number, worker in enumerate(self.look(name)):
            if worker.state == "BACKOFF":
                with suppress(Fault):  # its next try may have come in between
                    self.call("stopProcess", f"{name}:{name}.{number}")
        self.call("startProcessGroup", name, False)

    def _worker(self, program: Program, number: int) -> Worker:
        known = self.call("getProcessInfo", f"{program.name}:{program.name}.{number}")
        try:
            starts = json.loads(launch.record(self.program_file(program.name), number).read_text())["starts"]
        except FileNotFoundError:
            starts = 0
        return Worker(
            state=known["statename"],
            pid=known["pid"],
            starts=starts,
            age_s=known["now"] - known["start"],
            log=self.log(program, number),
        )

    def _wait_ready(
        self, program: Program, ready: Callable[[], bool], timeout_s: float, say: Callable[[str], None]
    ) -> None:
        def settled() -> bool:
            workers = self.look(program.name)
            if not workers:
                raise _failed(program.name, "was removed while it started", self.log(program, 0))
            for number, worker in enumerate(workers):
                if not worker.up:
                    raise _failed(program.name, f"ended while it started, {self._ending(program, number)}", worker.log)
            try:
                return ready()
            except OSError:
                return False

        def still(waited: float) -> None:
            say(f"{program.name} is not ready yet, {waited:.0f} s of {timeout_s:g} s")

        if not _wait(settled, timeout_s, still):
            raise _failed(program.name, f"was not ready after {timeout_s:g} s", self.log(program, 0))

    def _ending(self, program: Program, number: int) -> str:
        """How a worker ended last. supervisord's interface forgets it after a failed start; its log does not."""
        log = (self.home.log / "supervisord.log").read_text(errors="replace")
        endings = re.findall(rf"exited: {re.escape(program.name)}\.{number} \((.*?);", log)
        return endings[-1] if endings else "exit status unknown"


def _wait(done: Callable[[], bool], timeout_s: float, still: Callable[[float], None]) -> bool:
    """Ask until it is done; tell every few seconds that it still is not. False when the time is up."""
    started = time.monotonic()
    told = 0.0
    while not done():
        waited = time.monotonic() - started
        if waited > timeout_s:
            return False
        if waited - told > SAY_EVERY_S:
            still(waited)
            told = waited
        time.sleep(LOOK_EVERY_S)
    return True


def _failed(name: str, what: str, log: str) -> LocalError:
    try:
        last = Path(log).read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    except FileNotFoundError:
        last = []
    quoted = "".join(f"\n    | {line}" for line in last) or "\n    | (it wrote nothing)"
    return LocalError(f"{name} {what}. The end of {log}:{quoted}\n  Put that right, then run make up again.")


def _program(text: str) -> Program:
    told = json.loads(text)
    return Program(**told | {"command": tuple(told["command"]), "ports": tuple(told["ports"])})


def _configured(program: Program, described: Path, home: Home) -> str:
    """The program's part of supervisord's configuration."""
    # The description travels in a file of its own: supervisord cuts values at " ;" and " #" and expands "%".
    command = shlex.join([sys.executable, "-I", "-S", str(LAUNCHER), str(described)])
    log = f"{home.log}/{program.name}" + ("" if program.workers == 1 else ".%(process_num)d")
    return f"""\
[program:{program.name}]
command={command} %(process_num)d
process_name={program.name}.%(process_num)d
numprocs={program.workers}
; One that ends within startsecs is tried again with growing pauses, then given up as FATAL; later, at once.
startsecs=3
startretries=5
autorestart=true
stopsignal={program.stop_signal}
stopwaitsecs={max(1, round(program.drain_s))}
killasgroup=true
redirect_stderr=true
stdout_logfile={log}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""
