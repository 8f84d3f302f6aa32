"""What a person types: make and its targets."""

import os
import re
import signal
import subprocess
from typing import Any

import pytest

from toolchain import cli, commands, environment, places, setup
from toolchain.progress import ToolchainError

TARGETS = re.findall(r"^([\w-]+):", (places.CHECKOUT / "Makefile").read_text(), re.MULTILINE)


def make(*arguments: str) -> str:
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=places.CHECKOUT, capture_output=True, text=True, check=True).stdout


def test_help_names_every_target() -> None:
    said = make("help")
    assert [target for target in TARGETS if not re.search(rf"^  make {target} +\S", said, re.MULTILINE)] == []


def test_make_alone_helps() -> None:
    assert make() == make("help")


def test_no_target_is_taken_for_a_file() -> None:
    [phony] = re.findall(r"^\.PHONY: (.+)$", (places.CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert phony.split() == TARGETS


@pytest.mark.parametrize("command", cli.STACK_COMMANDS)
def test_a_stack_that_is_none_is_refused_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setattr(setup, "setup", pytest.fail)
    assert cli.main([command, "production"]) == 1
    said = capsys.readouterr().err
    assert "STACK is production, which is none" in said
    assert {"dev", "local", "prod", "stage"} <= set(re.findall(r"\w+", said.splitlines()[-1]))


def test_without_a_stack_it_is_the_local_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "STACK_COMMANDS", {"up": {"local": 7, "prod": 8}.get})
    assert cli.main(["up"]) == 7


def test_a_command_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["upp"]) == 1
    assert "See: make help" in capsys.readouterr().err


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that fails, on a machine that is set up."""
    for step in ("_prepare", "_equip"):
        monkeypatch.setattr(commands, step, lambda _: None)
    monkeypatch.setattr(commands, "_watched", lambda *_: 3)


@pytest.mark.usefixtures("failing")
def test_where_the_engine_fails_it_is_said_how_to_type_what_it_advises(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    assert cli.main(["up", "local"]) == 3
    assert 'eval "$(make -s env)"' in capsys.readouterr().err


@pytest.mark.usefixtures("failing")
def test_in_a_shell_that_knows_the_engine_nothing_more_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment.variables(os.environ).items():
        monkeypatch.setenv(name, value)
    assert cli.main(["up", "local"]) == 3
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_only_just_starts_is_interrupted_too(
    monkeypatch: pytest.MonkeyPatch, sign: signal.Signals
) -> None:
    start = subprocess.Popen

    def interrupted(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        signal.raise_signal(sign)
        return start(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    assert commands._watched(["sleep", "60"]) == -signal.SIGINT


def test_a_kill_reaches_the_command_as_an_interrupt() -> None:
    kill_us_and_wait = 'kill -TERM "$PPID"; exec sleep 60'
    assert commands._watched(["sh", "-c", kill_us_and_wait]) == -signal.SIGINT


def test_signals_mean_again_what_they_meant_before() -> None:
    before = [signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM)]
    commands._watched(["true"])
    assert [signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_command_that_is_not_installed_is_named() -> None:
    with pytest.raises(ToolchainError, match="colander is not there"):
        commands._watched(["colander"])
