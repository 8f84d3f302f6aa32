"""Where things lie: the checkout and its data, the cache that checkouts share."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
LOCKS = CHECKOUT / "toolchain" / "locks"
POLICIES = CHECKOUT / "policies"
MLFLOW = CHECKOUT / ".venv-mlflow"
TRAINING = CHECKOUT / ".venv-train"

DATA = CHECKOUT / ".modelserve"
STATE = DATA / "state"
PASSPHRASE = DATA / "passphrase"
PULUMI = DATA / "pulumi"
PLUGINS = PULUMI / "plugins"


def cache() -> Path:
    """Folder of binaries and made artefacts: ``MODELSERVE_CACHE``, else ``modelserve`` in the user's cache folder."""
    if chosen := os.environ.get("MODELSERVE_CACHE"):
        return Path(chosen).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelserve"
