"""Fetching a URL that a stranger gave: what it reaches, and what it must never reach."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpcore
import pytest

from apps.classifier.fetch import Fetcher, is_public
from apps.runtime.problems import Problem

pytestmark = pytest.mark.anyio

PUBLIC = "93.184.215.14"
PRIVATE = [
    "127.0.0.1",
    "0.0.0.0",  # noqa: S104 - an address to refuse, not to listen on
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]


class Network(httpcore.AsyncNetworkBackend):
    """Remembers where it was asked to connect, and connects to a server on this machine instead."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[tuple[str, int]] = []

    async def connect_tcp(self, host: str, port: int, *more: object, **options: object) -> httpcore.AsyncNetworkStream:
        self.asked.append((host, port))
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.port)


class Names:
    """A resolver that answers from a list, the next entry each time it is asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@asynccontextmanager
async def website(*answers: bytes, then_hang: bool = False) -> AsyncIterator[Network]:
    """A server that gives each connection the next answer."""
    queue, finished = list(answers), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(queue.pop(0))
        await writer.drain()
        if then_hang:
            await finished.wait()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield Network(server.sockets[0].getsockname()[1])
    finally:
        finished.set()
        server.close()


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def redirect(location: str) -> bytes:
    return b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location.encode()


async def refusal(fetcher: Fetcher, url: str) -> Problem:
    with pytest.raises(Problem) as raised:
        await fetcher.get(url)
    assert 400 <= raised.value.status_code < 500
    return raised.value


@pytest.mark.parametrize("address", PRIVATE)
async def test_an_address_that_is_not_public_is_never_connected_to(address: str) -> None:
    network = Network(0)
    problem = await refusal(Fetcher(100, resolve=Names([address]), network=network), "http://pictures.example/a.jpg")
    assert problem.slug == "url-refused"
    assert network.asked == []


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:21f:cb07::1", "64:ff9b::5db8:d70e", "::ffff:93.184.215.14"])
async def test_a_public_address_is_public_however_it_is_written(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0"],
)
async def test_loopback_is_refused_in_every_spelling_that_the_resolver_knows(host: str) -> None:
    network = Network(0)
    assert (await refusal(Fetcher(100, network=network), f"http://{host}/")).slug == "url-refused"
    assert network.asked == []


async def test_a_name_with_one_private_address_among_public_ones_is_refused() -> None:
    network = Network(0)
    names = Names([PUBLIC, "10.0.0.1"])
    assert (await refusal(Fetcher(100, resolve=names, network=network), "http://mixed.example/")).slug == "url-refused"
    assert network.asked == []


async def test_the_refusal_does_not_tell_the_address() -> None:
    problem = await refusal(Fetcher(100, resolve=Names(["10.1.2.3"])), "http://inside.example/")
    assert "10.1.2.3" not in problem.detail
    assert "not on the public internet" in problem.detail


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("file:///etc/passwd", "http://"),
        ("ftp://pictures.example/a.jpg", "http://"),
        ("http:///a.jpg", "host"),
        ("a.jpg", "http://"),
        ("http://user:word@pictures.example/", "password"),
        ("http://pictures.example:22/", "ports 80, 443"),
        ("https://pictures.example:8443/", "ports 80, 443"),
        ("http://[::1", "no URL"),
    ],
)
async def test_a_url_is_refused_by_the_rule_that_it_breaks(url: str, rule: str) -> None:
    names = Names([PUBLIC])
    problem = await refusal(Fetcher(100, resolve=names), url)
    assert problem.slug == "url-refused"
    assert rule in problem.detail
    assert names.asked == []


async def test_a_picture_is_fetched_from_the_address_that_was_checked() -> None:
    async with website(ok(b"picture")) as network:
        body = await Fetcher(100, resolve=Names([PUBLIC]), network=network).get("http://pictures.example/a.jpg")
    assert body == b"picture"
    assert network.asked == [(PUBLIC, 80)]


async def test_a_name_is_resolved_once_so_rebinding_has_nobody_to_fool() -> None:
    names = Names([PUBLIC], ["127.0.0.1"])
    async with website(ok(b"picture")) as network:
        await Fetcher(100, resolve=names, network=network).get("http://rebinding.example/a.jpg")
    assert names.asked == ["rebinding.example"]
    assert network.asked == [(PUBLIC, 80)]


async def test_a_redirect_into_the_private_network_is_refused() -> None:
    names = Names([PUBLIC], ["169.254.169.254"])
    async with website(redirect("http://metadata.example/latest/"), ok(b"secret")) as network:
        problem = await refusal(Fetcher(100, resolve=names, network=network), "http://pictures.example/")
    assert problem.slug == "url-refused"
    assert network.asked == [(PUBLIC, 80)]


async def test_a_redirect_to_another_scheme_is_refused() -> None:
    async with website(redirect("file:///etc/passwd")) as network:
        problem = await refusal(Fetcher(100, resolve=Names([PUBLIC]), network=network), "http://pictures.example/")
    assert "http://" in problem.detail


async def test_three_redirects_are_followed() -> None:
    hops = [redirect("/b"), redirect("/c"), redirect("http://other.example/d"), ok(b"picture")]
    async with website(*hops) as network:
        body = await Fetcher(100, resolve=Names([PUBLIC]), network=network).get("http://pictures.example/a")
    assert body == b"picture"


async def test_a_fourth_redirect_is_not_followed() -> None:
    async with website(*[redirect("/again")] * 4, ok(b"picture")) as network:
        problem = await refusal(Fetcher(100, resolve=Names([PUBLIC]), network=network), "http://pictures.example/")
    assert "more than 3" in problem.detail
    assert len(network.asked) == 4


async def test_a_body_over_the_limit_is_dropped() -> None:
    async with website(ok(b"x" * 101)) as network:
        problem = await refusal(Fetcher(100, resolve=Names([PUBLIC]), network=network), "http://pictures.example/")
    assert problem.slug == "url-too-large"


async def test_a_body_that_never_ends_is_dropped_at_the_limit() -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101
    async with website(endless, then_hang=True) as network:
        problem = await refusal(Fetcher(100, resolve=Names([PUBLIC]), network=network), "http://pictures.example/")
    assert problem.slug == "url-too-large"


async def test_a_body_that_dribbles_is_given_up_in_time() -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"
    async with website(half, then_hang=True) as network:
        fetcher = Fetcher(100, timeout_s=0.05, resolve=Names([PUBLIC]), network=network)
        assert (await refusal(fetcher, "http://pictures.example/")).slug == "url-too-slow"


async def test_an_answer_other_than_200_is_told() -> None:
    async with website(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as network:
        problem = await refusal(Fetcher(100, resolve=Names([PUBLIC]), network=network), "http://pictures.example/")
    assert "404" in problem.detail


async def test_a_compressed_answer_is_refused() -> None:
    bomb = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb"
    async with website(bomb) as network:
        problem = await refusal(Fetcher(100, resolve=Names([PUBLIC]), network=network), "http://pictures.example/")
    assert "compressed" in problem.detail


async def test_proxies_in_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with website(ok(b"picture")) as network:
        assert (
            await Fetcher(100, resolve=Names([PUBLIC]), network=network).get("http://pictures.example/") == b"picture"
        )
    assert network.asked == [(PUBLIC, 80)]


async def test_a_server_that_is_no_web_server_is_unreachable() -> None:
    async with website(b"SSH-2.0-OpenSSH\r\n") as network:
        problem = await refusal(Fetcher(100, resolve=Names([PUBLIC]), network=network), "http://pictures.example/")
    assert problem.slug == "url-unreachable"


async def test_a_name_that_does_not_exist_is_unreachable() -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    assert (await refusal(Fetcher(100, resolve=nowhere), "http://nowhere.example/")).slug == "url-unreachable"
