"""Pictures from URLs that callers give, without lending them our place in the network (SSRF).

A name is resolved once for each hop, every address it has must be public, and the connection goes to the address that
was checked: an answer that changes later (DNS rebinding) has nobody left to ask. Libraries that we found check a URL
before another component resolves it again, or follow redirects unchecked.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, cast

import httpcore
import httpx

from apps.runtime.problems import Problem

HEADERS = ((b"Accept", b"image/*"), (b"Accept-Encoding", b"identity"), (b"User-Agent", b"modelserve"))
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_HOPS = 3
TIMEOUT_S = 10.0
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the IPv4 address is its last four bytes
LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215: where the IPv4 address is, only its network knows

Resolve = Callable[[str, int], Awaitable[list[str]]]


class Fetcher:
    """Gets what is behind a URL.

    Attributes:
        max_bytes: a larger answer is refused.
        ports: ports that may be connected to.
        timeout_s: seconds for all hops together.
        network: what connects; ``resolve`` has turned every name into an address before.
    """

    def __init__(
        self,
        max_bytes: int,
        ports: Iterable[int] = (80, 443),
        timeout_s: float = TIMEOUT_S,
        resolve: Resolve | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self.max_bytes = max_bytes
        self.ports = frozenset(ports)
        self.timeout_s = timeout_s
        self._network = _PublicOnly(
            resolve or _resolve, network or cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
        )

    async def get(self, url: str) -> bytes:
        """The body behind ``url``.

        Raises:
            Problem: 422, naming the rule that the URL or what it led to breaks.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._follow(url)
        except TimeoutError:
            raise Problem(422, "url-too-slow", f"The URL did not answer within {self.timeout_s:g} s.") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError):
            raise Problem(422, "url-unreachable", "The URL's server cannot be reached, or speaks no HTTP.") from None

    async def _follow(self, url: str) -> bytes:
        target = self._checked(url)
        # No connection is kept: the next request, and the next hop, is checked anew. Proxies are not used at all.
        async with httpcore.AsyncConnectionPool(
            _tls(), max_keepalive_connections=0, network_backend=self._network
        ) as pool:
            for _ in range(1 + MAX_HOPS):
                async with pool.stream("GET", str(target), headers=[_host(target), *HEADERS]) as answer:
                    location = httpx.Headers(answer.headers).get("location", "")
                    if answer.status not in REDIRECTS:
                        return await self._body(answer)
                target = self._checked(location, target)
        raise _refused(f"it redirects more than {MAX_HOPS} times")

    def _checked(self, url: str, base: httpx.URL | None = None) -> httpx.URL:
        try:
            target = base.join(url) if base else httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            raise _refused("it is no URL") from None
        if target.scheme not in ("http", "https") or not target.host:
            raise _refused("only http:// and https:// URLs with a host are fetched")
        if target.userinfo:
            raise _refused("it holds a user name or password")
        if (target.port or {"http": 80, "https": 443}[target.scheme]) not in self.ports:
            raise _refused(f"only ports {', '.join(map(str, sorted(self.ports)))} are connected to")
        return target

    async def _body(self, answer: httpcore.Response) -> bytes:
        if answer.status != 200:
            raise Problem(422, "url-unavailable", f"The URL answered {answer.status}.")
        if httpx.Headers(answer.headers).get("content-encoding", "identity") != "identity":
            raise _refused("its answer is compressed, which was not asked for")
        body = bytearray()
        async for chunk in answer.aiter_stream():
            body += chunk
            if len(body) > self.max_bytes:
                raise Problem(422, "url-too-large", f"There are more than {self.max_bytes} bytes behind the URL.")
        return bytes(body)


class _PublicOnly(httpcore.AsyncNetworkBackend):
    """Connects to public addresses, which it alone resolves; TLS still verifies the name."""

    def __init__(self, resolve: Resolve, network: httpcore.AsyncNetworkBackend) -> None:
        self._resolve = resolve
        self._network = network

    async def connect_tcp(self, host: str, port: int, *more: Any, **options: Any) -> httpcore.AsyncNetworkStream:  # noqa: ANN401 - passed on as they are
        addresses = await self._resolve(host.strip("[]"), port)
        if not addresses or not all(map(is_public, addresses)):
            raise _refused("its host is not on the public internet")
        return await self._network.connect_tcp(addresses[0], port, *more, **options)


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, whatever it is wrapped in."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        inner = IPv4Address(ip.packed[-4:]) if ip in NAT64 else ip.ipv4_mapped or ip.sixtofour
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local or ip in LOCAL_NAT64:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _host(target: httpx.URL) -> tuple[bytes, bytes]:
    return b"Host", target.netloc


def _refused(rule: str) -> Problem:
    return Problem(422, "url-refused", f"The URL is refused: {rule}.")


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reads the certificates, which takes tens of milliseconds
