"""The shell that ``make env`` makes, and the pins that belong together."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from toolchain import environment, places, setup, tools


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


def test_what_the_engine_keeps_lies_in_the_checkout() -> None:
    assert environment.variables({})["PULUMI_HOME"] == str(places.DATA / "pulumi")


def test_a_shell_moves_between_checkouts() -> None:
    first = environment.variables({"PATH": "/usr/bin"})
    there = {name: value.replace(str(places.CHECKOUT), "/elsewhere") for name, value in first.items()}
    here = environment.variables(there)
    for name in ("PULUMI_BACKEND_URL", "PULUMI_HOME", "PULUMI_CONFIG_PASSPHRASE_FILE", "VIRTUAL_ENV"):
        assert here[name] == first[name]
    assert here["PATH"].startswith(f"{places.VENV}/bin:")


@pytest.mark.parametrize("before", [{}, environment.variables({})], ids=["a new shell", "a shell of a checkout"])
def test_a_team_with_a_backend_keeps_its_login_and_its_plugins(before: dict[str, str]) -> None:
    theirs = {**before, "PULUMI_BACKEND_URL": "s3://team"}
    assert not {**theirs, **environment.variables(theirs)}.get("PULUMI_HOME")


def test_a_folder_for_the_engine_that_a_team_chose_stays() -> None:
    assert "PULUMI_HOME" not in environment.variables({"PULUMI_HOME": "/srv/pulumi"})


def test_the_engine_keeps_fewer_logs_unless_somebody_wants_more() -> None:
    assert environment.variables({})["PULUMI_LOG_ROTATION_MAX_TOTAL_MB"] == "100"
    more = {"PULUMI_LOG_ROTATION_MAX_TOTAL_MB": "900"}
    assert environment.variables(more)["PULUMI_LOG_ROTATION_MAX_TOTAL_MB"] == "900"


def test_checkouts_share_provider_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSERVE_CACHE", str(tmp_path / "cache"))
    for checkout in ("one", "other"):
        monkeypatch.setattr(places, "PLUGINS", tmp_path / checkout / "plugins")
        (tmp_path / checkout).mkdir()
        setup.share_plugins()
    (tmp_path / "one" / "plugins" / "resource-aws-v1.2.3").mkdir()
    assert (tmp_path / "other" / "plugins" / "resource-aws-v1.2.3").is_dir()


def test_provider_plugins_follow_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PLUGINS", tmp_path / "plugins")
    for cache in ("first", "second"):
        monkeypatch.setenv("MODELSERVE_CACHE", str(tmp_path / cache))
        setup.share_plugins()
    assert places.PLUGINS.resolve() == tmp_path / "second" / "plugins"


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


def test_a_tool_that_broke_since_set_up_is_taken_out_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "VENV", tmp_path)
    (tmp_path / "bin").mkdir()
    versions = dict.fromkeys(tools.PULUMI.binaries, tools.PULUMI_VERSION) | {"prometheus": "cut off", "promtool": ""}
    for name, version in versions.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    setup.unlink_broken()
    assert {file.name for file in (tmp_path / "bin").iterdir()} == set(tools.PULUMI.binaries)
