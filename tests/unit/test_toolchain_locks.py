"""The locks against the package index: what is pinned can be installed as it is, with nothing to compile."""

from pathlib import Path

import pytest

from toolchain import places, tool, tools
from toolchain.progress import NO_ROUTE, ToolchainError, run
from toolchain.setup import uv_environment

pytestmark = pytest.mark.index


@pytest.mark.parametrize("lock", ["dev", "policies"])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_a_lock_has_wheels_alone_for(lock: str, machine: str, python: str, tmp_path: Path) -> None:
    target = ["--target", str(tmp_path), "--python-platform", f"{machine}-manylinux_2_31", "--python-version", python]
    command = [str(tool.ensure(tools.UV) / "uv"), "pip", "sync", "--dry-run", "--no-build", "--require-hashes", *target]
    try:
        run([*command, str(places.LOCKS / f"{lock}.txt")], env=uv_environment() | {"UV_HTTP_RETRIES": "1"})
    except ToolchainError as error:
        if NO_ROUTE not in str(error):
            raise
        pytest.skip(NO_ROUTE)
