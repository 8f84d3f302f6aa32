"""HTTP by Unix sockets. A client with more to it takes longer to import than all else that a plan asks for."""

import socket
from http.client import HTTPConnection
from pathlib import Path


class SocketConnection(HTTPConnection):
    """To the server at a socket, which has ``timeout_s`` for each answer."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
