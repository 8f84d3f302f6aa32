"""Ports of the loopback interface: chosen where nobody sits, refused by the name of who does."""

import os
import re
import socket

import pytest

from infra.local import ports
from infra.local.home import LocalError


def test_chosen_ports_are_free_differ_and_avoid_those_already_given() -> None:
    given = ports.choose(2, start=5, taken=())
    chosen = ports.choose(3, start=5, taken=given)
    assert len({*given, *chosen}) == 5
    assert all(port in ports.CHOSEN_FROM and ports.is_free(port) for port in chosen)


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        assert not ports.is_free(taken.getsockname()[1])


def test_a_taken_port_is_refused_with_its_holder_and_the_way_out() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError) as refused:
            ports.require_free(port, "gateway.port", "local")
    first, second = str(refused.value).splitlines()
    assert first.startswith(f"Port {port} is taken by ")
    assert first.endswith(f"(pid {os.getpid()}).")
    assert second.startswith("  Stop it, or take another port: write modelserve:gateway.port: ")


def test_the_port_that_is_named_instead_is_free() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with socket.create_server((ports.LOOPBACK, port + 1)):
            said = ports.way_out(port, "gateway.port", "local")
    assert re.search(r"write modelserve:gateway.port: \d+ into Pulumi.local.yaml", said)
    assert f": {port + 1} " not in said


def test_running_out_of_ports_is_said() -> None:
    with pytest.raises(LocalError, match="Fewer than 1 ports are free"):
        ports.choose(1, start=0, taken=set(ports.CHOSEN_FROM))


def test_nobody_answers_at_a_port_where_nobody_listens() -> None:
    [port] = ports.choose(1, start=77, taken=())
    assert not ports.answers(port, "/ready")
