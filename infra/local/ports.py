"""Ports on the loopback interface: finding free ones, and naming whoever holds one that is not."""

import http.client
import socket
from collections.abc import Collection

import psutil

from infra.local.home import LocalError

LOOPBACK = "127.0.0.1"

CHOSEN_FROM = range(20000, 30000)
"""Below the ephemeral ports of Linux (from 32768) and macOS (from 49152): no outgoing connection sits on one."""

PROBE_S = 2
"""How long a readiness answer may take; the apps answer within milliseconds, even under load."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do: connections of a predecessor that linger in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose(count: int, start: int, taken: Collection[int]) -> tuple[int, ...]:
    """Free ports, in order from a place that differs from caller to caller.

    Args:
        count: how many.
        start: any number; different ones keep two checkouts from choosing the same port at the same time.
        taken: ports given to processes that may not listen yet.

    Raises:
        LocalError: there are not that many.
    """
    chosen: list[int] = []
    for step in range(len(CHOSEN_FROM)):
        if len(chosen) == count:
            break
        port = CHOSEN_FROM[(start + step) % len(CHOSEN_FROM)]
        if port not in taken and is_free(port):
            chosen.append(port)
    if len(chosen) < count:
        raise LocalError(
            f"Fewer than {count} ports are free on {LOOPBACK} from {CHOSEN_FROM.start} to {CHOSEN_FROM.stop - 1}.\n"
            "  See who holds them with: ss -ltnp"
        )
    return tuple(chosen)


def require_free(port: int, setting: str, stack: str) -> None:
    """Refuse a port that somebody listens on.

    Args:
        port: the port.
        setting: the setting that says it, for example ``gateway.port``.
        stack: whose setting that is.

    Raises:
        LocalError: names the program that holds the port.
    """
    if not is_free(port):
        raise LocalError(f"Port {port} is taken by {holder(port)}.\n  {way_out(port, setting, stack)}")


def way_out(port: int, setting: str, stack: str) -> str:
    """What to do about a port that is taken, for people: names one that is not."""
    free = next((other for other in range(port + 1, 65536) if is_free(other)), port + 1)
    return f"Stop it, or take another port: write modelserve:{setting}: {free} into Pulumi.{stack}.yaml."


def holder(port: int) -> str:
    """Who listens on a port, for people: ``nginx (pid 4711)``."""
    process = listener(port)
    return f"{process.name()} (pid {process.pid})" if process else "a process of another user"


def listener(port: int) -> psutil.Process | None:
    """The process that listens on a port; None where nobody does, or where the system does not tell."""
    try:
        sockets = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS shows other users' sockets to root alone
        return None
    for each in sockets:
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
            try:
                return psutil.Process(each.pid)
            except psutil.NoSuchProcess:
                continue
    return None


def answers(port: int, path: str) -> bool:
    """Whether an HTTP server at the port answers 200 for the path."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PROBE_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
