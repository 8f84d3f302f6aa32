"""A second checkout beside this one, in which tests do what a user would type."""

import shutil
import subprocess
from pathlib import Path

import yaml

from infra.settings import CHECKOUT


def clone(root: Path) -> None:
    """Copy everything that Git has or would take, as it is now; the environment is shared."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (CHECKOUT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, root / name, follow_symlinks=False)
    (root / ".venv").symlink_to(CHECKOUT / ".venv")
    for file in root.glob("Pulumi.*.yaml"):
        # The salt belongs to the passphrase of the checkout that the engine wrote it into.
        told = yaml.safe_load(file.read_text())
        if told.pop("encryptionsalt", None):
            file.write_text(yaml.safe_dump(told))
