"""The socket that supervisord is told by what to do."""

import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy, Transport

from infra.local.home import LocalError
from infra.local.sockets import SocketConnection

ANSWER_S = 5
"""supervisord answers within milliseconds, and starts and stops nothing while a caller waits."""


class Control:
    """Calls by a Unix socket. One that does not answer in time is not asked again for as long: who asks, asks often."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ask_again_at = 0.0

    def call(self, method: str, *args: str | bool) -> Any:  # noqa: ANN401 - XML-RPC answers anything
        """Call a method.

        Raises:
            LocalError: nobody answers, or not within ``ANSWER_S``.
            Fault: supervisord refused.
        """
        if time.monotonic() < self._ask_again_at:
            raise self._unanswered("timed out")
        try:
            with ServerProxy("http://127.0.0.1", transport=_ToSocket(self._path)) as proxy:
                return getattr(proxy.supervisor, method)(*args)
        except TimeoutError as error:
            self._ask_again_at = time.monotonic() + ANSWER_S
            raise self._unanswered("timed out") from error
        except OSError as error:
            raise self._unanswered(error.strerror) from error

    def _unanswered(self, why: str | None) -> LocalError:
        return LocalError(
            f"No supervisor answers at {self._path} ({why}).\n  make up starts it again, with everything that it ran."
        )


class _ToSocket(Transport):
    """XML-RPC by a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> HTTPConnection:
        """Whatever the host is called, the socket is it."""
        return SocketConnection(self._path, ANSWER_S)
