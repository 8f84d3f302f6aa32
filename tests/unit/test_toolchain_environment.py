"""The shell that ``make env`` makes, and the pins that belong together."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from toolchain import environment, places, tools


def in_shell(exports: str, name: str) -> str:
    return subprocess.run(
        ["sh", "-c", f'{exports}\nprintf %s "${name}"'], capture_output=True, text=True, check=True
    ).stdout


def test_the_environment_comes_first_on_path() -> None:
    assert environment.variables({"PATH": "/usr/bin"})["PATH"] == f"{places.VENV}/bin:/usr/bin"


def test_a_second_eval_does_not_lengthen_path() -> None:
    once = environment.variables({"PATH": "/usr/bin"})
    assert environment.variables(once)["PATH"] == once["PATH"]


def test_values_survive_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Path("/tmp/it's $HOME; a `b`")  # noqa: S108 (never made)
    monkeypatch.setattr(places, "PASSPHRASE", odd)
    assert in_shell(environment.exports({"PATH": "/bin:/a b"}), "PULUMI_CONFIG_PASSPHRASE_FILE") == str(odd)


def test_the_passphrase_itself_is_not_exported() -> None:
    assert "PULUMI_CONFIG_PASSPHRASE" not in environment.variables({})


def test_state_lies_in_the_checkout() -> None:
    assert environment.variables({})["PULUMI_BACKEND_URL"] == places.STATE.as_uri()


def test_the_state_of_another_checkout_is_left() -> None:
    other = {"PULUMI_BACKEND_URL": "file:///elsewhere/.modelserve/state"}
    assert environment.variables(other)["PULUMI_BACKEND_URL"] == places.STATE.as_uri()


def test_a_backend_that_a_team_chose_stays() -> None:
    assert "PULUMI_BACKEND_URL" not in environment.variables({"PULUMI_BACKEND_URL": "s3://team"})


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_a_passphrase_that_a_team_chose_stays(name: str) -> None:
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in environment.variables({name: "/run/secrets/passphrase"})


def test_engine_and_sdk_have_one_version() -> None:
    wanted = tomllib.loads((places.CHECKOUT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"pulumi=={tools.PULUMI_VERSION}" in wanted
    assert re.search(rf"^pulumi=={tools.PULUMI_VERSION} ", (places.LOCKS / "dev.txt").read_text(), re.MULTILINE)


@pytest.mark.parametrize("lock", sorted(file.name for file in places.LOCKS.glob("*.txt")))
def test_a_lock_pins_every_package_by_hash_and_names_no_host(lock: str) -> None:
    text = (places.LOCKS / lock).read_text()
    packages = re.findall(r"^\S+==\S+.*(?:\n    --hash=\S+.*)*", text, re.MULTILINE)
    assert packages
    assert all("--hash=sha256:" in package for package in packages)
    assert "://" not in text


def test_the_entry_can_be_read_by_an_old_python() -> None:
    entry = (places.CHECKOUT / "toolchain" / "__main__.py").read_text()
    assert ast.parse(entry, feature_version=(3, 8))
