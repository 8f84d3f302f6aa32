"""What the dynamic providers of the local stack share."""

import logging
import sys
from typing import Any

from pulumi.dynamic import ConfigureRequest, ResourceProvider

from infra.local.home import LocalError


class Provider(ResourceProvider):
    """A provider without attributes, pickled by its name: what it needs is in the resource's inputs."""

    # There is nothing in it to encrypt, and readable state is worth something.
    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        """Let the engine show the message of a LocalError alone."""
        logging.getLogger("grpc._server").addFilter(_is_ours)

    def say(self, text: str) -> None:
        """Tell the user about something that takes long; Pulumi shows what its plugins write here."""
        print(text, file=sys.stderr, flush=True)


def read_state(now: dict[str, Any], before: dict[str, Any]) -> str:
    """What a refresh says about a process: also, once, that it was restarted since anybody looked last."""
    if now["state"] == "RUNNING" and now["restarts"] > before["restarts"]:
        return "RESTARTED"
    return now["state"]


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a failed call deserves its traceback: not where the message already says what the user should do."""
    return not (record.exc_info and isinstance(record.exc_info[1], LocalError))
