"""An environment: exactly what its lock says, wherever its checkout goes."""

import hashlib
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from toolchain import places, setup

INFO = "sieve-1.0.dist-info"
WHEEL = {
    "sieve.py": "def say():\n    print('the sieve', __file__)\n",
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: sieve\nVersion: 1.0\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/entry_points.txt": "[console_scripts]\nsieve = sieve:say\n",
    f"{INFO}/RECORD": "",
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose lock asks for one package with a script, which lies in a folder and needs no network."""
    wheel = tmp_path / "wheels" / "sieve-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in WHEEL.items():
            archive.writestr(name, text)
    monkeypatch.setenv("UV_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setattr(places, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.setattr(places, "LOCKS", tmp_path / "locks")
    places.LOCKS.mkdir()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (places.LOCKS / "toy.txt").write_text(f"sieve==1.0 --hash=sha256:{digest}\n")
    return tmp_path / "checkout"


def ran(script: Path) -> str:
    """What a script of an environment says, typed where it lies."""
    return subprocess.run([script], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("bring", [shutil.move, partial(shutil.copytree, symlinks=True)], ids=["moved", "copied"])
def test_its_scripts_run_what_lies_beside_them(bring: Callable[[Path, Path], object], checkout: Path) -> None:
    setup.ensure_environment(checkout / ".venv", "toy", "")
    elsewhere = checkout.with_name("another place")
    bring(checkout, elsewhere)
    assert f"the sieve {elsewhere}/" in ran(elsewhere / ".venv" / "bin" / "sieve")


def test_one_that_is_bound_to_its_place_is_made_anew(checkout: Path) -> None:
    subprocess.run(["python3", "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    (checkout / ".venv" / "bin" / "left").touch()
    setup.ensure_environment(checkout / ".venv", "toy", "")
    assert not (checkout / ".venv" / "bin" / "left").exists()
    assert "the sieve" in ran(checkout / ".venv" / "bin" / "sieve")
