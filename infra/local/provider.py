"""What the dynamic providers of the local stack share."""

import atexit
import gc
import logging
import os
import sys
import threading
import time
from functools import cache
from typing import Any

import psutil
from pulumi.dynamic import ConfigureRequest, ResourceProvider

from infra.local import orphans
from infra.local.home import LocalError


class Provider(ResourceProvider):
    """A provider without attributes, pickled by its name: what it needs is in the resource's inputs."""

    # There is nothing in it to encrypt, and readable state is worth something.
    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        """Let the engine show the message of a LocalError alone, and end with the engine."""
        logging.getLogger("grpc._server").addFilter(_is_ours)
        _end_with_engine()

    def say(self, text: str) -> None:
        """Tell the user about something that takes long; Pulumi shows what its plugins write here."""
        print(text, file=sys.stderr, flush=True)


def read_state(now: dict[str, Any], before: dict[str, Any]) -> str:
    """What a refresh says about a process: also, once, that it was restarted since anybody looked last."""
    if now["state"] == "RUNNING" and now["restarts"] > before["restarts"]:
        return "RESTARTED"
    return now["state"]


@cache
def _end_with_engine() -> None:
    """Watch the engine from a thread: killed, it leaves its plugins running, at work on what nobody will record.

    And do not keep it waiting: when the interpreter looks for garbage at its end, it takes 0.1 s.
    """
    atexit.register(gc.freeze)
    # Our parent is the shell script that the SDK starts plugins with.
    ancestors = psutil.Process().parents()
    if len(ancestors) > 1:
        threading.Thread(target=_exit_after, args=(ancestors[1],), daemon=True).start()


def _exit_after(engine: psutil.Process) -> None:
    while not orphans.has_ended(engine):
        time.sleep(0.5)
    os._exit(1)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a failed call deserves its traceback: not where the message already says what the user should do."""
    return not (record.exc_info and isinstance(record.exc_info[1], LocalError))
