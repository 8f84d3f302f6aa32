"""Signing in to the registry that images are pushed to, without leaving a token anywhere."""

import base64
import json
import os
import re
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra import docker
from infra.local.home import LocalError, write_private

ECR = re.compile(r"\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")


@contextmanager
def signed_in(reference: str) -> Generator[Mapping[str, str]]:
    """An environment in which ``docker`` may use the registry of a reference.

    ECR's token lasts twelve hours. It is in a private folder for as long as it is needed, not in the engine's state and
    not in the user's own configuration of Docker, which would keep it in clear.

    Raises:
        LocalError: AWS' command is missing or gives no token; says what it said.
    """
    host = reference.partition("/")[0]
    ecr = ECR.fullmatch(host)
    users = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    config = _read(users / "config.json")
    if ecr is None or host in config.get("credHelpers", {}):
        yield os.environ
        return
    token = _token(ecr["region"])
    with tempfile.TemporaryDirectory() as folder:
        # Contexts, builders and plugins are the user's own.
        for entry in users.iterdir() if users.is_dir() else ():
            if entry.name != "config.json":
                (Path(folder) / entry.name).symlink_to(entry)
        config["auths"] = config.get("auths", {}) | {host: {"auth": base64.b64encode(f"AWS:{token}".encode()).decode()}}
        # Docker asks a store of credentials before it looks into ``auths``.
        config.pop("credsStore", None)
        write_private(Path(folder) / "config.json", json.dumps(config))
        yield os.environ | {"DOCKER_CONFIG": folder}


def _read(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return {}


def _token(region: str) -> str:
    try:
        return docker.run(
            *("aws", "ecr", "get-login-password", "--region", region),
            install="Install AWS' command, version 2; the cluster's kubeconfig needs it, too.",
        ).strip()
    except docker.CommandError as error:
        raise LocalError(
            f"AWS gave no token for its registry in {region}: {error.told.strip()}\n"
            "  Sign in first, for example: aws sso login --profile <profile>, then export AWS_PROFILE=<profile>"
        ) from None
