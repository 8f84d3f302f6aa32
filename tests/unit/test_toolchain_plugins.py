"""Which provider plugins a stack gets, and when stand-ins take their place."""

import json
from pathlib import Path
from typing import Any

import pytest

from toolchain import places, plugins
from toolchain.progress import ToolchainError


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for stack, target in {"local": "local", "dev": "kind", "prod": "aws"}.items():
        (tmp_path / f"Pulumi.{stack}.yaml").write_text(f"config:\n  modelserve:target: {target}\n")
    for name in ("aws", "kubernetes", "random"):
        package = tmp_path / "venv" / "lib" / "python3.11" / "site-packages" / f"pulumi_{name}"
        package.mkdir(parents=True)
        (package / "pulumi-plugin.json").write_text(json.dumps({"name": name, "version": "1.2.3"}))
    monkeypatch.setattr(places, "CHECKOUT", tmp_path)
    monkeypatch.setattr(places, "VENV", tmp_path / "venv")
    monkeypatch.setattr(plugins, "VENDOR", tmp_path / "sys_vendor")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the plugins that were asked for; all can be had."""
    names: list[str] = []
    monkeypatch.setattr(plugins, "run", lambda command, **_: names.append(command[4]))
    return names


@pytest.fixture
def nothing_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ToolchainError("pulumi plugin install ended with status 255:\n    no such host\n")

    monkeypatch.setattr(plugins, "run", fail)


def has_stand_ins(environment: Any) -> bool:
    return str(plugins.STAND_INS) in environment["PATH"].split(":")


def test_a_stack_on_one_machine_asks_for_no_plugin(checkout: Path, asked: list[str]) -> None:
    plugins.install("local", {})
    assert asked == []


def test_a_stack_of_kind_does_without_that_of_aws(checkout: Path, asked: list[str]) -> None:
    plugins.install("dev", {})
    assert asked == ["kubernetes", "random"]


def test_a_plugin_that_is_there_is_not_asked_for(checkout: Path, asked: list[str]) -> None:
    (checkout / ".pulumi" / "plugins" / "resource-aws-v1.2.3").mkdir(parents=True)
    plugins.install("prod", {})
    assert asked == ["kubernetes", "random"]


@pytest.mark.usefixtures("nothing_can_be_had")
def test_without_its_plugins_a_stack_does_not_come_up(checkout: Path) -> None:
    with pytest.raises(ToolchainError, match="no such host"):
        plugins.install("prod", {})


@pytest.mark.usefixtures("nothing_can_be_had")
def test_a_plan_without_plugins_is_made_with_stand_ins_and_says_so(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert has_stand_ins(plugins.for_preview("dev", {"PATH": "/bin"}))
    assert "a provider plugin cannot be installed: no such host" in capsys.readouterr().err


def test_a_plan_without_credentials_is_made_with_stand_ins_and_says_so(
    checkout: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert has_stand_ins(plugins.for_preview("prod", {"PATH": "/bin"}))
    assert asked == []
    assert "no credentials of AWS" in capsys.readouterr().err


@pytest.mark.parametrize("name", plugins.CREDENTIALS)
def test_with_credentials_the_plan_is_that_of_the_plugins(checkout: Path, asked: list[str], name: str) -> None:
    assert not has_stand_ins(plugins.for_preview("prod", {"PATH": "/bin", name: "given"}))
    assert asked == ["aws", "kubernetes", "random"]


def test_a_machine_of_ec2_has_credentials(checkout: Path, asked: list[str]) -> None:
    (checkout / "sys_vendor").write_text("Amazon EC2\n")
    assert not has_stand_ins(plugins.for_preview("prod", {"PATH": "/bin"}))
