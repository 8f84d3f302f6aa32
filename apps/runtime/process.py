"""The web server around an app: its socket, its signals, its end."""

import signal
import socket
from types import FrameType

import uvicorn

from apps.runtime import connections, logs
from apps.runtime.drain import Drain
from apps.runtime.server import Server
from apps.runtime.settings import SettingsError

log = logs.logger("apps.runtime.process")

BACKLOG = 2048
KEEP_ALIVE_S = 75
"""Longer than the 60 s for which load balancers and connection pools keep idle connections by default: whoever closes
first must be the one that knows whether a request is on its way."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Port {port} on {host} cannot be listened on: {error.strerror}.\n"
            "  Stop what holds it, or give another with PORT; PORT=0 takes a free one."
        ) from None
    return listener


def serve(server: Server, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, drain, and return."""
    config = uvicorn.Config(
        server.asgi,
        loop="uvloop",
        http=connections.Patient,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        # The half of the drain's time that belongs to requests in flight; uvicorn counts in whole seconds.
        timeout_graceful_shutdown=max(1, round(server.drain.drain_s / 2)),
    )
    connections.make_room()
    host, port = listener.getsockname()[:2]
    log.info("listening", host=host, port=port)
    _Drained(config, server.drain).run(sockets=[listener])
    log.info("left")


class _Drained(uvicorn.Server):
    """Uvicorn closes idle connections as soon as it is told to leave; this goes on serving them until it is quiet."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second SIGINT leaves at once. Not recorded: uvicorn would end by raising it again."""
        if self._drain.draining and sig == signal.SIGINT:
            self.should_exit = self.force_exit = True
        self._drain.begin()

    async def on_tick(self, counter: int) -> bool:
        """Leave once the drain is over."""
        if self._drain.over():
            self.should_exit = True
        return await super().on_tick(counter)
