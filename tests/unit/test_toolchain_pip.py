"""The index that pip is set to is the one that uv gets, from whichever Python set-up is called."""

import sys
from pathlib import Path

import pytest

from toolchain import pip
from toolchain.setup import uv_environment

MIRROR = "https://mirror.example/%2Fsimple"


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's pip keeps its settings; those of the user and the machine are not heard."""
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    # A shell without a program of that name.
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "pip.conf"


def write(file: Path, **sections: str) -> None:
    lines = (f"[{section}]\nindex-url = {url}\n" for section, url in sections.items())
    file.write_text("".join(lines))


def test_an_environment_without_pip_asks_the_python_that_it_was_made_from(file: Path) -> None:
    assert pip.command() == [f"{sys.base_prefix}/bin/python3", "-m", "pip"]


def test_uv_takes_the_index_of_the_file_that_pip_is_given(file: Path) -> None:
    write(file, **{"global": MIRROR})
    assert uv_environment()["UV_DEFAULT_INDEX"] == MIRROR


def test_what_is_set_for_installing_comes_before_what_is_set_for_all(file: Path) -> None:
    write(file, **{"global": "https://all.example/simple", "install": MIRROR})
    assert uv_environment()["UV_DEFAULT_INDEX"] == MIRROR


def test_the_variable_comes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, install="https://all.example/simple")
    monkeypatch.setenv("PIP_INDEX_URL", MIRROR)
    assert uv_environment()["UV_DEFAULT_INDEX"] == MIRROR


def test_an_index_that_uv_was_given_stays(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, install="https://all.example/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", MIRROR)
    assert uv_environment()["UV_DEFAULT_INDEX"] == MIRROR


def test_without_pip_uv_keeps_to_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip, "command", lambda: None)
    assert "UV_DEFAULT_INDEX" not in uv_environment()
